"""Of several processes one does a thing: the holder that a row names, for as long as it goes on saying so."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

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


async def _noted(session: AsyncSession, table: Leased, which: tuple[ColumnElement[bool], ...], **values: Any) -> bool:
    noted = await session.execute(update(table).where(*which).values(**values).returning(table.held_until))
    return noted.first() is not None


async def release(session: AsyncSession, table: Leased, row: ColumnElement[bool], holder: str) -> None:
    """Let another take over at once."""
    await session.execute(update(table).where(row, table.holder == holder).values(holder=None, held_until=None))
