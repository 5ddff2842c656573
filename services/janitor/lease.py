"""One janitor at a time: of several processes the one that goes on saying so. Each step is committed with a look
at the lease, so that one who was too slow commits nothing."""

from datetime import timedelta
from typing import Any

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import insert_new
from shared.tables import JanitorState
from shared.tables.base import now

HELD = timedelta(seconds=60)
ONLY = 1


class LeaseLost(Exception):
    """Somebody else is the janitor now."""


async def claim(session: AsyncSession, holder: str, policies: dict[str, Any]) -> bool:
    """Become the janitor, or stay it; False while somebody else is."""
    await insert_new(session, JanitorState, [{"id": ONLY, "policies": policies, "disks": {}, "seen_at": now()}])
    free = or_(JanitorState.held_until.is_(None), JanitorState.held_until < now(), JanitorState.holder == holder)
    taken = await session.execute(
        update(JanitorState)
        .where(JanitorState.id == ONLY, free)
        .values(holder=holder, held_until=now() + HELD, policies=policies, seen_at=now())
        .returning(JanitorState.id)
    )
    return taken.scalar_one_or_none() is not None


async def hold(session: AsyncSession, holder: str, **values: Any) -> None:
    """Stay the janitor until this transaction is committed, and for a while longer; LeaseLost when one is not."""
    kept = await session.execute(
        update(JanitorState)
        .where(JanitorState.id == ONLY, JanitorState.holder == holder, JanitorState.held_until >= now())
        .values(held_until=now() + HELD, seen_at=now(), **values)
        .returning(JanitorState.id)
    )
    if kept.scalar_one_or_none() is None:
        raise LeaseLost


async def release(session: AsyncSession, holder: str) -> None:
    """Let another be the janitor at once."""
    mine = JanitorState.id == ONLY, JanitorState.holder == holder
    await session.execute(update(JanitorState).where(*mine).values(holder=None, held_until=None))
