"""A destination that takes everything and keeps nothing: the end of the heartbeat's road, and of projects on trial."""

import os
from collections.abc import AsyncGenerator, Sequence

from services.sender.clients.protocol import Answer, Found, Leaving, Outgoing, Withdrawn
from services.sender.threads import in_thread
from shared.scu.statuses import SUCCESS

PIECE = 1 << 20


class NullClient:
    """Reads each file to its end, as a sender does, and says that all is well."""

    async def send(self, instances: Sequence[Outgoing]) -> AsyncGenerator[list[Answer], None]:
        """One answer at a time."""
        yield []
        for instance in instances:
            await in_thread(_read, instance)
            yield [Answer(instance.sop_instance_uid, SUCCESS)]

    async def count(self, study: str, series: str) -> Found | None:
        """It cannot be asked."""
        return None

    async def withdraw(self, instances: Sequence[Leaving]) -> Withdrawn | None:
        """Nothing is there, so nothing is left."""
        return Withdrawn(0)


def _read(instance: Outgoing) -> None:
    with instance.file.open("rb") as file:
        while os.read(file.fileno(), PIECE):
            pass
