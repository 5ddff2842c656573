"""Fuzz the DICOM listener, coverage being the guide: python -m scripts.fuzz_listener [OPTIONS]

A real receiver on loopback is talked to by a peer that does anything. It may refuse, abort or close; it may not answer
with what is no PDU, keep half an instance, keep a connection, or stop serving others:

    nice -n 15 python -m scripts.fuzz_listener build/fuzz-listener -max_total_time=600

What breaks it is written as crash-… to the working directory; the tests play some hundred conversations by a seed.
"""

import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services.receiver", "shared.journal", "shared.dicom", "pynetdicom"]):
    from tests.components.hostile_peer import attack, sound
    from tests.components.receiver import LocalReceiver

SOUND_EVERY = 200


class Guided:
    """Choices by the fuzzer."""

    def __init__(self, data: bytes) -> None:
        self._provider = atheris.FuzzedDataProvider(data)

    def number(self, low: int, high: int) -> int:
        return int(self._provider.ConsumeIntInRange(low, high))

    def content(self, size: int) -> bytes:
        return bytes(self._provider.ConsumeBytes(size))


def main() -> None:
    """Until it is told to stop, or something breaks."""
    folder = next((each for each in sys.argv[1:] if not each.startswith("-")), None)
    if folder is not None:
        os.makedirs(folder, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as data,
        LocalReceiver(Path(data), network_timeout=0.3, acse_timeout=0.3) as receiver,
    ):
        runs = 0

        def once(content: bytes) -> None:
            nonlocal runs
            attack(receiver, Guided(content))
            runs += 1
            if not runs % SOUND_EVERY:
                sound(receiver)

        atheris.Setup([*sys.argv, "-len_control=0", "-max_len=2048"], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
