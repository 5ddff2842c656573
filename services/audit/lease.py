"""How far the collector was told, and who tells it: of several processes one, for as long as it goes on saying so."""

from datetime import timedelta

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import insert_new
from shared.tables import AuditCollector
from shared.tables.base import now

HELD = timedelta(seconds=30)


async def claim(session: AsyncSession, collector: str, holder: str) -> int | None:
    """The last entry that the collector has; None while somebody else tells it."""
    await insert_new(session, AuditCollector, [{"name": collector, "sequence": 0}])
    free = or_(AuditCollector.held_until.is_(None), AuditCollector.held_until < now(), AuditCollector.holder == holder)
    taken = await session.execute(
        update(AuditCollector)
        .where(AuditCollector.name == collector, free)
        .values(holder=holder, held_until=now() + HELD)
        .returning(AuditCollector.sequence)
    )
    return taken.scalar_one_or_none()


async def advance(session: AsyncSession, collector: str, holder: str, sequence: int) -> bool:
    """Note how far it has come and hold on; False when somebody else has taken over."""
    mine = AuditCollector.name == collector, AuditCollector.holder == holder
    noted = await session.execute(
        update(AuditCollector)
        .where(*mine)
        .values(sequence=sequence, held_until=now() + HELD)
        .returning(AuditCollector.sequence)
    )
    return noted.scalar_one_or_none() is not None


async def release(session: AsyncSession, collector: str, holder: str) -> None:
    """Let another take over at once."""
    mine = AuditCollector.name == collector, AuditCollector.holder == holder
    await session.execute(update(AuditCollector).where(*mine).values(holder=None, held_until=None))
