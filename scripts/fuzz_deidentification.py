"""Fuzz the reader and the rewriter, coverage being the guide: python -m scripts.fuzz_deidentification [OPTIONS]

Only a refusal may end a run, and what was written has to be a sound object: the engine reads it again, and nothing
that stood before or behind the dataset is in it. A folder named on the command line keeps what was found interesting:

    nice -n 15 python -m scripts.fuzz_deidentification build/fuzz -max_total_time=600

A file that breaks it is written as crash-… to the working directory (-artifact_prefix=FOLDER/ for another).
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["deidentification"]):
    from deidentification import CannotDeidentify, Subject, deidentify
    from deidentification.errors import LeftOut
    from deidentification.profiles import BUILT_IN, Profile
    from deidentification.standard.tables import Option

from tests.unit.deidentification import study
from tests.unit.deidentification.bad_inputs import sample

SUBJECT: Final = Subject("FUZZ", "FUZZ_001", "baseline", bytes(range(32)))
# Stands where nothing may be copied from: in the preamble and behind the last byte.
OUTSIDE: Final = b"ZQOUTSIDEZQ"
LONGEST: Final = 16_384
# What a second run may still say of a sound object.
AGAIN: Final = frozenset(("gate-name", "gate-id", "gate-date", "gate-uid", "gate-text"))
OPTIONS: Final = (Option.DESCRIPTORS, Option.STRUCTURED_CONTENT, Option.GRAPHICS, Option.SAFE_PRIVATE)


def profiles() -> tuple[Profile, ...]:
    """The strict one, and one that walks more."""
    basic = BUILT_IN["basic"]
    return basic, basic.model_copy(update={"options": basic.options | set(OPTIONS)})


class Harness:
    """One folder in which every input is tried."""

    def __init__(self, folder: Path) -> None:
        self.source, self.out = folder / "input.dcm", folder / "out"
        self.profiles = profiles()

    def __call__(self, data: bytes) -> None:
        """One input: its first byte chooses the profile."""
        if len(data) < 2:
            return
        profile, content = self.profiles[data[0] % len(self.profiles)], data[1:]
        if content[128:132] == b"DICM":
            content = OUTSIDE.ljust(128, b"\0") + content[128:]
        self.source.write_bytes(content)
        try:
            written = self.out / deidentify(self.source, self.out, SUBJECT, profile).path
        except (CannotDeidentify, LeftOut):
            return
        result = written.read_bytes()
        if OUTSIDE in result[: result.find(b"\xe0\x7f\x10\0")]:
            raise AssertionError("what stood outside the dataset was passed on")
        try:
            again = self.out / deidentify(written, self.out, SUBJECT, profile).path
        except CannotDeidentify as refusal:
            if refusal.rule not in AGAIN:
                raise AssertionError(f"a result is not sound: {refusal}") from refusal
        else:
            again.unlink()
        written.unlink(missing_ok=True)


def seeds(folder: Path) -> None:
    """One file of each kind to begin with."""
    kinds = {name: study.encoded(name) for name in ("ct1", "sr", "pr", "seg", "rtstruct", "ecg")} | sample()
    for name, content in kinds.items():
        (folder / name).write_bytes(b"\0" + content[:LONGEST])


def main() -> None:
    """Fuzz until libFuzzer's options say stop."""
    os.fsync = lambda _: None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "seeds")
        corpus.mkdir()
        seeds(corpus)
        atheris.Setup([*sys.argv, str(corpus), f"-max_len={LONGEST}", "-timeout=20"], Harness(Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
