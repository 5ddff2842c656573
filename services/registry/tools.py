"""What work on a project needs, and how it ends: its result, its events and its own row in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.clock import Clock
from services.registry.settings import RegistrySettings
from shared.bus import Message
from shared.crypto import Vault
from shared.database import Database
from shared.events import Event
from shared.ledger import Relay, add
from shared.store import Store
from shared.tables import ProjectWork

Finish = Callable[[AsyncSession], Awaitable[Sequence[Event]]]


@dataclass(frozen=True)
class Tools:
    """All that is open for work."""

    database: Database
    store: Store
    vault: Vault
    clock: Clock
    settings: RegistrySettings
    relay: Relay

    async def finish(self, work: ProjectWork, finish: Finish) -> None:
        """Write the result down and call the work done, unless somebody else has."""
        async with self.database.session() as session:
            row = await session.get_one(ProjectWork, work.id, with_for_update=True)
            if row.state != "waiting":
                return
            row.state, row.error, row.finished_at = "done", None, self.clock.now()
            await add(session, [Message.of(event) for event in await finish(session)])
        self.relay.wake()
