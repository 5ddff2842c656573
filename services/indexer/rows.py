"""Rows that may be there already, many at once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Base


async def insert_missing(session: AsyncSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert those rows whose key is not taken, by one prepared statement for all of them.

    Where nobody asks how many were new, this is several times cheaper than a statement that names every row.
    """
    target = table.__table__
    if rows and isinstance(target, Table):
        insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
        await session.execute(insert(target).on_conflict_do_nothing(), list(rows))
