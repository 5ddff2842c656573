"""A part of a coupling list: an index counts it and finds the page, and only the rows of that are read whole.

In force is what is there less what has expired: two ranges of an index, where "never, or later" looks at each entry.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.lists import from_nearer_end
from shared.registry.coupling import in_force
from shared.tables import CouplingEntry
from shared.tables.base import now

OLDEST_FIRST = (CouplingEntry.created_at, CouplingEntry.id)
BY_ID = (CouplingEntry.id,)
"""Of one upload, which are all as old."""


async def part_of_list(
    session: AsyncSession,
    where: Sequence[ColumnElement[bool]],
    limit: int,
    offset: int,
    order: Sequence[Any] = OLDEST_FIRST,
) -> tuple[Sequence[CouplingEntry], int]:
    """The entries of one page, and how many fit, of those in force."""
    at = now()
    number = select(func.count()).select_from(CouplingEntry).where(*where)
    every, over = await session.scalar(number) or 0, await session.scalar(number.where(_expired(at))) or 0
    page = from_nearer_end(select(CouplingEntry.id).where(*where, in_force(at)), order, every - over, limit, offset)
    rows = await session.scalars(select(CouplingEntry).where(CouplingEntry.id.in_(page)).order_by(*order))
    return rows.all(), every - over


async def by_match(session: AsyncSession, where: Sequence[ColumnElement[bool]]) -> tuple[Counter[bool], int]:
    """How many are in force, of those that have matched and of the others; and how many have expired."""
    number = select(CouplingEntry.matched, func.count()).where(*where).group_by(CouplingEntry.matched)
    every, over = Counter[bool](), Counter[bool]()
    for counted, statement in ((every, number), (over, number.where(_expired(now())))):
        counted.update({row[0]: row[1] for row in await session.execute(statement)})
    return every - over, over.total()


def _expired(at: datetime) -> ColumnElement[bool]:
    """`matched` stands before it in the index: it is named so that the range is found."""
    return CouplingEntry.matched.in_((False, True)) & (CouplingEntry.expires_at <= at)
