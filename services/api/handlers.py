"""What the api does when something happens: rows of its own whose time is over go."""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import RetentionApplied, RetentionEnded
from shared.handlers import Handlers
from shared.retention import rows

handlers = Handlers()


@handlers.on(RetentionEnded)
async def expire(event: RetentionEnded, session: AsyncSession) -> list[RetentionApplied]:
    """Some rows of one table."""
    return await rows.apply(session, "api", event)
