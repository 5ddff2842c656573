"""python -m tests.components.receiver_process DATA BUS: the receiver alone, with a file for a bus.

Prints its port. Each publish appends the events as JSON lines, durably; while a file BUS.away exists, the bus
is away. Settings come from the environment, as always.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from services.receiver.server import Receiver
from services.receiver.settings import ReceiverSettings
from shared.bus import BusUnavailable, Message
from shared.journal import Journal, Publisher
from shared.log import configure
from shared.store import Store


class FileBus:
    """As durable as a real one, and as easily read as a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def publish(self, messages: Sequence[Message]) -> None:
        """All of them or, when the bus is away, none."""
        if self._path.with_suffix(".away").exists():
            raise BusUnavailable
        with self._path.open("ab") as file:
            file.write(b"".join(message.to_bytes() + b"\n" for message in messages))
            file.flush()
            os.fsync(file.fileno())


async def main(data: Path, bus: Path) -> None:
    """Receive until SIGTERM."""
    configure("WARNING")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    journal = Journal(Store(data), "receiver")
    receiver = Receiver(ReceiverSettings(), journal)
    publisher = Publisher(journal, FileBus(bus), every=0.1, recover_every=1)
    publishing = asyncio.create_task(publisher.run())
    receiver.start()
    print(receiver.port, flush=True)
    await stop.wait()
    await asyncio.to_thread(receiver.stop)
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    await publisher.drain(5)
    journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
