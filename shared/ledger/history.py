"""What the bus has confirmed, kept for some days: a broker that loses its data takes nothing along for good.

Whether a message was handled stands in the inbox, under each queue that it goes to. One that some queue's inbox does
not know may be lost: owed once more, it comes to all its queues, and those that have handled it know it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared import topology
from shared.bus.message import Message
from shared.database import insert_new
from shared.moments import AHEAD
from shared.tables import InboxEntry, OutboxEntry, PublishedMessage
from shared.tables.base import now

STEP = 500
Place = tuple[str, str]
"""A home queue, and the id of a message."""


async def keep(session: AsyncSession, messages: Iterable[Message]) -> None:
    """Remember messages that the bus has confirmed; one that was published before is remembered anew."""
    heard = (each for each in messages if topology.queues(each.name))
    kept = {each.id: {"message": each.id, "name": each.name, "content": each.to_bytes()} for each in heard}
    await session.execute(delete(PublishedMessage).where(PublishedMessage.message.in_(kept)))
    await insert_new(session, PublishedMessage, list(kept.values()))


async def forget(session: AsyncSession, before: datetime) -> None:
    """Let go of what was published before."""
    await session.execute(delete(PublishedMessage).where(PublishedMessage.published_at < before))


async def unhandled(session: AsyncSession, before: datetime, dead: Collection[Place] = ()) -> dict[str, list[str]]:
    """Event -> the messages published before then that somebody who listens has not handled, the oldest first.

    What is among the dead waits there for a person, and is not counted as lost.
    """
    found: dict[str, list[str]] = {}
    is_before = or_(PublishedMessage.published_at < before, PublishedMessage.published_at > now() + AHEAD)
    for name in sorted(set(await session.scalars(select(PublishedMessage.name).distinct()))):
        waiting = [_waits(queue, dead) for queue in topology.queues(name)]
        if not waiting:
            continue
        query = (
            select(PublishedMessage.message)
            .where(PublishedMessage.name == name, is_before, or_(*waiting))
            .order_by(PublishedMessage.published_at)
        )
        if messages := list(await session.scalars(query)):
            found[name] = messages
    return found


async def oldest(session: AsyncSession, queue: str, since: datetime) -> datetime | None:
    """When the oldest message was published, of those since then that a queue's listener has not handled."""
    named = PublishedMessage.name == queue.partition(".")[2]
    query = select(func.min(PublishedMessage.published_at)).where(named, PublishedMessage.published_at >= since)
    return await session.scalar(query.where(_waits(queue, ())))


def _waits(queue: str, dead: Collection[Place]) -> ColumnElement[bool]:
    handled = exists().where(InboxEntry.queue == queue, InboxEntry.message == PublishedMessage.message)
    buried = [message for home, message in dead if home == queue]
    return ~handled & PublishedMessage.message.not_in(buried) if buried else ~handled


async def owe_again(session: AsyncSession, messages: Collection[str]) -> int:
    """Put published messages back into the outbox; how many were there."""
    rows = list(await session.scalars(select(PublishedMessage).where(PublishedMessage.message.in_(messages))))
    rows.sort(key=lambda row: row.published_at)
    await insert_new(session, OutboxEntry, [{"message": row.message, "content": row.content} for row in rows])
    await session.execute(delete(PublishedMessage).where(PublishedMessage.message.in_(messages)))
    return len(rows)
