"""Bring everything unfinished on its way again: what the broker may have lost, and what nobody was ever told.

Nothing is done twice by it: each message keeps its id, and who has handled it knows it. So it may be run at any time
and as often as one likes. The events go into the outbox; whichever service runs hands them to the bus.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Bus, Message
from shared.database import Database
from shared.events import AssociationClosed, InstancesReceived, RetentionEnded
from shared.ledger import add, history
from shared.recovery.archive import unknown
from shared.retention import removals
from shared.store import Store
from shared.tables import Association, Study
from shared.tables.base import now

SILENT = timedelta(minutes=10)
"""An association that has been silent for so long, and never closed, is taken for over."""

Sender = tuple[str, str]
"""Calling and called AE title."""


@dataclass
class Republished:
    """What was found: messages by event, instances of the archive that nobody knew, associations that never ended."""

    messages: dict[str, int] = field(default_factory=dict)
    instances: int = 0
    studies: int = 0
    associations: int = 0
    removed: int = 0
    """Studies that the database takes for here, and that have left by a policy: it is of a day before."""
    unreadable: list[str] = field(default_factory=list)

    @property
    def anything(self) -> bool:
        """Whether there was anything to do."""
        return bool(self.messages or self.instances or self.associations or self.removed)


async def republish(
    database: Database,
    store: Store,
    bus: Bus | None,
    *,
    older_than: timedelta,
    silent_for: timedelta = SILENT,
    only_look: bool = False,
) -> Republished:
    """Owe all of it to the bus again; `only_look`: only say how much there is.

    `silent_for` is how long an association that never closed has been silent at least, to be taken for over.
    What is among the dead stays there. BusUnavailable when the dead cannot be asked for; without a bus there are none.
    """
    before = now() - older_than
    done = Republished()
    dead = {(letter.queue, letter.message.id) for letter in await bus.dead()} if bus is not None else set()
    async with database.reading() as session:
        lost = await history.unhandled(session, before, dead)
        silent = await _silent(session, before=now() - silent_for)
    silent = await asyncio.to_thread(_in_no_journal, store, silent)
    left = await _left(database, store)
    done.removed = len(left)
    done.messages = {name: len(messages) for name, messages in lost.items()}
    done.associations = len(silent)
    if not only_look:
        # First: who asks for their files then is told at once that they are gone.
        async with database.session() as session:
            await add(session, map(Message.of, left))
        for messages in lost.values():
            for start in range(0, len(messages), history.STEP):
                async with database.session() as session:
                    await history.owe_again(session, messages[start : start + history.STEP])
    of_sender = Counter[Sender]()
    async for found in unknown(database, store):
        done.unreadable += found.unreadable
        if not found.instances:
            continue
        done.instances += found.instances
        done.studies += 1
        for event in found.events:
            if isinstance(event, InstancesReceived):
                of_sender[event.calling_aet, event.called_aet] += len(event.instances)
        if not only_look:
            async with database.session() as session:
                await add(session, map(Message.of, found.events))
    if not only_look:
        async with database.session() as session:
            await add(session, map(Message.of, (_end(each, of_sender) for each in silent)))
    return done


async def _left(database: Database, store: Store) -> list[RetentionEnded]:
    """What tells the indexer of studies that have left the archive, as far as it does not know."""
    remembered = await asyncio.to_thread(removals.since, store)
    studies = {subject: at for (tree, subject), at in remembered.items() if tree == removals.ARCHIVE}
    asked = []
    for start in range(0, len(studies), history.STEP):
        uids = sorted(studies)[start : start + history.STEP]
        here = select(Study.study_instance_uid, Study.last_seen_at).where(
            Study.study_instance_uid.in_(uids), Study.removed_at.is_(None)
        )
        async with database.reading() as session:
            rows = (await session.execute(here)).all()
        for uid, seen_at in rows:
            at = studies[uid]
            if seen_at < at and not await asyncio.to_thread((store / f"archive/scp_{uid}").is_dir):
                asked.append(RetentionEnded(run=f"left-{at:%Y%m%dT%H%M%S}", kind="missing", subject=uid, before=now()))
    return asked


async def _silent(session: AsyncSession, before: datetime) -> Sequence[Association]:
    """Associations whose own end was lost."""
    query = select(Association).where(
        Association.finished_at.is_(None), Association.announced.is_(None), Association.last_seen_at <= before
    )
    return (await session.scalars(query)).all()


def _in_no_journal(store: Store, associations: Sequence[Association]) -> list[Association]:
    """Without those that go on, or whose end whoever has them will say."""
    there = {path.name for path in (store / "journal").glob("*/*")}
    return [each for each in associations if each.id not in there]


def _end(association: Association, of_sender: Mapping[Sender, int]) -> AssociationClosed:
    """What was found of its sender may be its own: so many more at most; it holds its series until that is known."""
    found = of_sender.get((association.calling_aet or "", association.called_aet or ""), 0)
    return AssociationClosed(association=association.id, instances=association.indexed + found)
