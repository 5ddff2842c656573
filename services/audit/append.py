"""New links of the chain: one writer at a time, so that there is no gap and no second entry of a number."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.audit.chain import START, Link, entry_hash
from shared.audit.record import Record
from shared.database import lock
from shared.tables import AuditEntry

TABLE = cast(Table, AuditEntry.__table__)


async def head_of(session: AsyncSession) -> Link:
    """The last entry."""
    query = select(AuditEntry.sequence, AuditEntry.hash).order_by(AuditEntry.sequence.desc()).limit(1)
    row = (await session.execute(query)).first()
    return Link(row[0], row[1]) if row else START


async def append(session: AsyncSession, key: bytes, records: Sequence[Record]) -> Link:
    """Chain records in their order; the new head. Holds the chain until the transaction ends."""
    await lock(session, "audit")
    last = await head_of(session)
    rows: list[dict[str, Any]] = []
    for record in records:
        row = record.model_dump() | {"sequence": last.sequence + 1, "previous": last.hash}
        row["hash"] = entry_hash(key, row)
        rows.append(row)
        last = Link(row["sequence"], row["hash"])
    if rows:
        await session.execute(insert(TABLE), rows)
    return last
