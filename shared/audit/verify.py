"""Walk the chain and name the first entry that is not as it was written."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.audit.chain import START, Damage, Link, Row, damage
from shared.tables import AuditEntry

PAGE = 500
TRUNCATED = "audit_truncated"
"""The operation of the entry that is made when the chain is found shorter than its head says."""


@dataclass(frozen=True)
class Verdict:
    """How far the walk came, and what it stumbled over."""

    entries: int
    last: Link
    broken: int | None = None
    damage: Damage | None = None
    complete: bool = True


async def verify(
    session: AsyncSession, key: bytes | None, after: int = 0, limit: int | None = None, head: Link | None = None
) -> Verdict:
    """Look at `limit` entries after a sequence number (that one must have been looked at before) against a head.

    A head that lies behind the end, or is another than the entry of its number, tells of what was cut off. So does an
    entry that says the gateway noticed it itself. `key` is None where no chain was ever begun.
    """
    last = await _link(session, after)
    if last is None:
        return Verdict(0, Link(after, ""), after, "truncated")
    seen, rows = 0, await _page(session, last.sequence)
    while rows and (limit is None or seen < limit):
        for entry, following in zip(rows[:PAGE], [*rows[1:], None], strict=False):
            if (found := _found(key, last, entry, following, head)) is not None:
                return Verdict(seen, last, entry["sequence"], found)
            seen, last = seen + 1, Link(entry["sequence"], entry["hash"])
        rows = await _page(session, last.sequence)
    if not rows and head is not None and head.sequence > last.sequence:
        return Verdict(seen, last, last.sequence + 1, "truncated")
    return Verdict(seen, last, complete=not rows)


def _found(key: bytes | None, last: Link, entry: Row, following: Row | None, head: Link | None) -> Damage | None:
    if key is None:
        return "inserted"
    if (found := damage(key, last, entry, following, head.sequence if head else None)) is not None:
        return found
    if head is not None and entry["sequence"] == head.sequence and entry["hash"] != head.hash:
        return "changed"
    return "truncated" if entry["operation"] == TRUNCATED else None


async def _link(session: AsyncSession, sequence: int) -> Link | None:
    if sequence == 0:
        return START
    found = await session.execute(select(AuditEntry.sequence, AuditEntry.hash).where(AuditEntry.sequence == sequence))
    row = found.first()
    return Link(row[0], row[1]) if row else None


async def _page(session: AsyncSession, after: int) -> Sequence[Row]:
    """One more than a page, for the last one's neighbour."""
    query = select(AuditEntry.__table__).where(AuditEntry.sequence > after).order_by(AuditEntry.sequence)
    found = (await session.execute(query.limit(PAGE + 1))).mappings()
    return [dict(row) for row in found]
