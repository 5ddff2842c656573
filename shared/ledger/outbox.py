"""Events are committed with what caused them, and published afterwards by a relay."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus.message import Message
from shared.database import insert_new
from shared.ledger.changes import leaving
from shared.tables import OutboxEntry


async def add(session: AsyncSession, messages: Iterable[Message]) -> int:
    """Owe these messages to the bus; one that is owed already is not owed twice. Returns how many are new."""
    owed = list(messages)
    await leaving(session, owed)
    rows = [{"message": message.id, "content": message.to_bytes()} for message in owed]
    return await insert_new(session, OutboxEntry, rows)
