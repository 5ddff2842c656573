"""The receiver alone: in a process of its own with a file for a bus, or in this one with a list."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from services.receiver.server import Receiver
from services.receiver.settings import ReceiverSettings
from shared.bus import BusUnavailable, Message
from shared.events import AssociationClosed, InstancesReceived, ReceivedInstance
from shared.journal import Journal, Publisher
from shared.store import Store
from tests.components.process import accepts, free_port, wait_until
from tests.components.server import Server


class ReceiverProcess(Server):
    """FIONA's receiver on `data`; settings as FIONA_RECEIVER_… keywords; `published` is all it has published."""

    name: ClassVar[str] = "receiver"

    def __init__(self, folder: Path, data: Path | None = None, **settings: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.data = data or self.folder / "data"
        self._bus = self.folder / "bus.jsonl"
        self._settings = settings

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.components.receiver_process", str(self.data), str(self._bus)]

    def environment(self) -> dict[str, str]:
        ours = {"FIONA_RECEIVER_PORT": str(self.port), "PYTHONPATH": str(Path(__file__).parents[2])}
        return dict(os.environ) | ours | self._settings

    def prepare(self) -> None:
        super().prepare()
        self.data.mkdir(exist_ok=True)

    def ready(self) -> bool:
        return accepts(self.port)

    def bus_away(self, away: bool) -> None:
        """Take the bus away, or bring it back."""
        mark = self._bus.with_suffix(".away")
        mark.touch() if away else mark.unlink(missing_ok=True)

    def archived(self) -> list[Path]:
        """The files in the archive."""
        return sorted((self.data / "archive").glob("scp_*/*.dcm"))

    def owed(self) -> list[Path]:
        """Association folders that are not yet paid for."""
        return [path for path in (self.data / "journal").glob("*/*") if path.is_dir()]

    def published(self) -> list[InstancesReceived | AssociationClosed]:
        """All events so far."""
        written = self._bus.read_bytes() if self._bus.exists() else b""
        # The last line may be on its way.
        events: list[Any] = [Message.from_bytes(line).event() for line in written.split(b"\n")[:-1]]
        return events

    def published_instances(self) -> list[ReceivedInstance]:
        """All instances published so far, in order, repetitions included."""
        return [
            instance
            for event in self.published()
            if isinstance(event, InstancesReceived)
            for instance in event.instances
        ]

    def facts(self) -> list[dict[str, Any]]:
        """association.json of each association that is not yet paid for."""
        return [json.loads((path / "association.json").read_text()) for path in self.owed()]


class ListBus:
    """A bus that is a list; `away` makes it fail."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False

    async def publish(self, messages: Sequence[Message]) -> None:
        if self.away:
            raise BusUnavailable
        self.messages += messages

    def events(self) -> list[InstancesReceived | AssociationClosed]:
        """All that was published."""
        events: list[Any] = [message.event() for message in self.messages]
        return events

    def instances(self) -> list[ReceivedInstance]:
        """All instances that were published, in order."""
        return [i for event in self.events() if isinstance(event, InstancesReceived) for i in event.instances]


class LocalReceiver:
    """The receiver in this process, on a free port; publishes when told to."""

    def __init__(self, data: Path, **settings: Any) -> None:
        self.store = Store(data)
        self.journal = Journal(self.store, "receiver")
        self.bus = ListBus()
        self.data_path = bool(settings.get("data_path", True))
        self.receiver = Receiver(ReceiverSettings(port=0, **settings), self.journal)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.receiver.port

    def archived(self) -> list[Path]:
        """The files in the archive."""
        return sorted((self.store.root / "archive").glob("scp_*/*.dcm"))

    def leftovers(self) -> list[Path]:
        """Files in the journal beside locks, facts and marks: what is owed, and what should not be there."""
        expected = ("lock", "association.json")
        files = (self.store.root / "journal").rglob("*")
        return [path for path in files if path.is_file() and path.name not in expected]

    def settled(self) -> list[ReceivedInstance]:
        """Wait until no association is open, publish, and give all instances published so far."""
        wait_until(lambda: not self.associations(), 60, "the associations' ends")
        asyncio.run(Publisher(self.journal, self.bus).flush())
        return self.bus.instances()

    def associations(self) -> int:
        """How many connections are open."""
        return len(self.receiver.visits())

    def in_the_middle(self) -> None:
        """Wait until an instance is coming in."""
        wait_until(lambda: any(visit.busy for visit in self.receiver.visits()), 60, "an instance that comes in")

    def __enter__(self) -> Self:
        self.receiver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.stop()
        self.journal.close()
