"""One janitor at a time: of several processes the one that goes on saying so. Each step is committed with a look
at the lease, so that one from whom another has taken it commits nothing."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared import lease
from shared.database import Database, insert_new
from shared.tables import JanitorState
from shared.tables.base import now

HELD = timedelta(seconds=60)
ONLY = 1


class LeaseLost(Exception):
    """Somebody else is the janitor now."""


async def claim(session: AsyncSession, holder: str, policies: dict[str, Any]) -> bool:
    """Become the janitor, or stay it; False while somebody else is."""
    seen = {"policies": policies, "seen_at": now()}
    await insert_new(session, JanitorState, [{"id": ONLY, "disks": {}, **seen}])
    return await lease.claim(session, JanitorState, JanitorState.id == ONLY, holder, HELD, **seen)


async def hold(session: AsyncSession, holder: str, **values: Any) -> None:
    """Stay the janitor until this transaction is committed, and for a while longer; LeaseLost when one is not."""
    if not await lease.extend(session, JanitorState, JanitorState.id == ONLY, holder, HELD, seen_at=now(), **values):
        raise LeaseLost


def renewed(database: Database, holder: str) -> AbstractAsyncContextManager[None]:
    """Stay it while something is looked at, however long that takes."""
    return lease.renewed(database, JanitorState, JanitorState.id == ONLY, holder, HELD)


async def release(session: AsyncSession, holder: str) -> None:
    """Let another be the janitor at once."""
    await lease.release(session, JanitorState, JanitorState.id == ONLY, holder)
