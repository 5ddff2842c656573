"""A message is handled once: the row that says so is committed with what the handler did."""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import insert_new
from shared.tables import InboxEntry


async def seen(session: AsyncSession, queue: str, message: str) -> bool:
    """Whether a subscription has handled a message."""
    return await session.get(InboxEntry, (queue, message)) is not None


async def claim(session: AsyncSession, queue: str, message: str) -> bool:
    """Note a message as handled; False when it is already so. Waits for a replica that is just doing it."""
    return bool(await insert_new(session, InboxEntry, [{"queue": queue, "message": message}]))
