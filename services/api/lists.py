"""A part of a list as the database has it, and how long all of it is."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, UnaryExpression, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables.base import Base

Row = TypeVar("Row", bound=Base)
Key = TypeVar("Key")


async def part(
    session: AsyncSession,
    table: type[Row],
    where: Iterable[ColumnElement[bool]],
    order: Iterable[Any],
    limit: int,
    offset: int,
) -> tuple[list[Row], int]:
    """The rows of one page, and how many there are."""
    mine = tuple(where)
    total = await session.scalar(select(func.count()).select_from(table).where(*mine)) or 0
    rows = await session.scalars(select(table).where(*mine).order_by(*order).limit(limit).offset(offset))
    return list(rows), total


def from_nearer_end(rows: Select[Key], order: Sequence[Any], total: int, limit: int, offset: int) -> Select[Key]:
    """The same rows as by limit and offset, in either order: a database walks past all that stands before them.

    `order`: columns, or columns from the largest down, none of them null.
    """
    behind = total - offset - limit
    if behind >= offset:
        return rows.order_by(*order).limit(limit).offset(offset)
    there = max(0, min(limit, total - offset))
    return rows.order_by(*map(_backwards, order)).limit(there).offset(max(0, behind))


def latest_first(columns: Sequence[Any]) -> list[UnaryExpression[Any]]:
    """The largest first."""
    return [column.desc() for column in columns]


def _backwards(order: Any) -> Any:
    return order.element if isinstance(order, UnaryExpression) else order.desc()
