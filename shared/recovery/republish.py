"""Bring everything unfinished on its way again: what the broker may have lost, and what nobody was ever told.

Nothing is done twice by it: each message keeps its id, and who has handled it knows it. So it may be run at any time
and as often as one likes. The events go into the outbox; whichever service runs hands them to the bus.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Bus, Message
from shared.database import Database
from shared.events import AssociationClosed
from shared.ledger import add, history
from shared.recovery.archive import unknown
from shared.store import Store
from shared.tables import Association
from shared.tables.base import now

SILENT = timedelta(minutes=10)
"""An association that has been silent for so long, and never closed, is taken for over."""


@dataclass
class Republished:
    """What was found: messages by event, instances of the archive that nobody knew, associations that never ended."""

    messages: dict[str, int] = field(default_factory=dict)
    instances: int = 0
    studies: int = 0
    associations: int = 0
    unreadable: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.messages or self.instances or self.associations)


async def republish(
    database: Database, store: Store, bus: Bus | None, *, older_than: timedelta, only_look: bool = False
) -> Republished:
    """Owe all of it to the bus again; `only_look`: only say how much there is.

    What is among the dead stays there. BusUnavailable when the dead cannot be asked for; without a bus there are none.
    """
    before = now() - older_than
    done = Republished()
    dead = {(letter.queue, letter.message.id) for letter in await bus.dead()} if bus is not None else set()
    async with database.reading() as session:
        lost = await history.unhandled(session, before, dead)
        silent = await _silent(session)
    done.messages = {name: len(messages) for name, messages in lost.items()}
    done.associations = len(silent)
    if not only_look:
        for messages in lost.values():
            for start in range(0, len(messages), history.STEP):
                async with database.session() as session:
                    await history.owe_again(session, messages[start : start + history.STEP])
        async with database.session() as session:
            await add(session, map(Message.of, silent))
    async for found in unknown(database, store):
        done.unreadable += found.unreadable
        if not found.instances:
            continue
        done.instances += found.instances
        done.studies += 1
        if not only_look:
            async with database.session() as session:
                await add(session, map(Message.of, found.events))
    return done


async def _silent(session: AsyncSession, at: datetime | None = None) -> list[AssociationClosed]:
    """The ends, as far as the catalogue knows, of associations whose own end was lost."""
    query = select(Association).where(
        Association.finished_at.is_(None),
        Association.announced.is_(None),
        Association.last_seen_at < (at or now()) - SILENT,
    )
    return [AssociationClosed(association=each.id, instances=each.indexed) for each in await session.scalars(query)]
