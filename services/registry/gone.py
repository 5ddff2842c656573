"""What goes with a project: every row of every table that names it or one of its transfers, unless KEPT says why not.

A table that is added later needs no line here to be emptied; it needs one to be kept.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Base, Project, Transfer

KEPT: Final[Mapping[str, str]] = {
    "projects": "that it was there; its key is gone",
    "applications": "who has asked for it, and who has agreed to what",
    "project_steps": "what became of it, and when",
    "project_work": "that it was done",
    "project_exports": "that its PI has confirmed to have it",
    "project_leftovers": "what has to go by hand at the destinations",
    "audit_entries": "who did and saw what: a chain from which nothing can be taken",
}
"""Tables that still name a project when it is deleted, and why."""

AT_ONCE: Final = 200


def naming(column: str) -> Sequence[Table]:
    """The tables with such a column of which rows go, those that refer to others first."""
    tables = reversed(Base.metadata.sorted_tables)
    return [table for table in tables if column in table.columns and table.name not in KEPT]


async def forget_transfers(session: AsyncSession, project: str) -> bool:
    """Remove some transfers with all that belongs to them; False when there are none."""
    mine = select(Transfer.id).where(Transfer.project == project).order_by(Transfer.id).limit(AT_ONCE)
    transfers = list(await session.scalars(mine))
    for table in naming("transfer"):
        await session.execute(delete(table).where(table.columns["transfer"].in_(transfers)))
    await session.execute(delete(Transfer).where(Transfer.id.in_(transfers)))
    return bool(transfers)


async def forget_project(session: AsyncSession, project: Project) -> None:
    """Remove what is left when no transfer is."""
    for table in naming("project"):
        await session.execute(delete(table).where(table.columns["project"] == project.name))
