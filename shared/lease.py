"""Of several processes one does a thing: the holder that a row names, for as long as it goes on saying so.

Time decides only whether somebody else may take over. Whether one is still the holder is decided by the name in the
row: whoever was slow, or whose clock has jumped, goes on if nobody has come meanwhile, and never if somebody has.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database, DatabaseUnavailable
from shared.moments import come
from shared.tables import AuditCollector, JanitorState, MonitorLease, RedcapTarget
from shared.tables.base import now

Leased = type[AuditCollector] | type[JanitorState] | type[MonitorLease] | type[RedcapTarget]
"""A table whose rows have a `holder` and a `held_until`."""


def free(table: Leased, held: timedelta) -> ColumnElement[bool]:
    """Whether nobody holds a row. For much longer than `held` nobody does: a clock was ahead that has said so."""
    return or_(table.held_until.is_(None), come(table.held_until, 3 * held))


async def claim(
    session: AsyncSession, table: Leased, row: ColumnElement[bool], holder: str, held: timedelta, **values: Any
) -> bool:
    """Become the row's holder, or stay it, and set `values`; False while somebody else is."""
    mine_or_free = or_(free(table, held), table.holder == holder)
    return await _noted(session, table, (row, mine_or_free), holder=holder, held_until=now() + held, **values)


async def extend(
    session: AsyncSession, table: Leased, row: ColumnElement[bool], holder: str, held: timedelta, **values: Any
) -> bool:
    """Stay the holder and set `values`; False when somebody else has taken over."""
    return await _noted(session, table, (row, table.holder == holder), held_until=now() + held, **values)


@asynccontextmanager
async def renewed(
    database: Database, table: Leased, row: ColumnElement[bool], holder: str, held: timedelta
) -> AsyncIterator[None]:
    """Go on saying that one is the holder for as long as something takes. It does not end when somebody else has taken
    over: what it writes then has to look (`extend`)."""
    renewing = asyncio.create_task(_renew(database, table, row, holder, held))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def _renew(database: Database, table: Leased, row: ColumnElement[bool], holder: str, held: timedelta) -> None:
    while True:
        await asyncio.sleep(held.total_seconds() / 3)
        with suppress(DatabaseUnavailable):
            async with database.session() as session:
                await extend(session, table, row, holder, held)


async def _noted(session: AsyncSession, table: Leased, which: tuple[ColumnElement[bool], ...], **values: Any) -> bool:
    noted = await session.execute(update(table).where(*which).values(**values).returning(table.held_until))
    return noted.first() is not None


async def release(session: AsyncSession, table: Leased, row: ColumnElement[bool], holder: str) -> None:
    """Let another take over at once."""
    await session.execute(update(table).where(row, table.holder == holder).values(holder=None, held_until=None))
