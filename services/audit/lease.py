"""How far the collector was told, and who tells it: of several processes one, for as long as it goes on saying so."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared import lease
from shared.database import insert_new
from shared.tables import AuditCollector

HELD = timedelta(seconds=30)


async def claim(session: AsyncSession, collector: str, holder: str) -> int | None:
    """The last entry that the collector has; None while somebody else tells it."""
    row = AuditCollector.name == collector
    await insert_new(session, AuditCollector, [{"name": collector, "sequence": 0}])
    if not await lease.claim(session, AuditCollector, row, holder, HELD):
        return None
    return await session.scalar(select(AuditCollector.sequence).where(row))


async def advance(session: AsyncSession, collector: str, holder: str, sequence: int) -> bool:
    """Note how far it has come and hold on; False when somebody else has taken over."""
    row = AuditCollector.name == collector
    return await lease.extend(session, AuditCollector, row, holder, HELD, sequence=sequence)


async def release(session: AsyncSession, collector: str, holder: str) -> None:
    """Let another take over at once."""
    await lease.release(session, AuditCollector, AuditCollector.name == collector, holder)
