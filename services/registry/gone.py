"""What goes with a project: every row of every table that names it or one of its transfers, unless KEPT says why not.

A table that is added later needs no line here to be emptied; it needs one to be kept. With their last role go people's
sessions and tokens.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final

from sqlalchemy import ForeignKeyConstraint, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Account, ApiToken, Base, Membership, Project, Transfer, WebSession
from shared.tables.base import now

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


def hanging_on(table: Table) -> Sequence[ForeignKeyConstraint]:
    """By what rows of other tables, which name neither project nor transfer themselves, hang on those of this one."""
    going = {table, *naming("project"), *naming("transfer")}
    others = (each for each in Base.metadata.sorted_tables if each not in going and each.name not in KEPT)
    return [key for each in others for key in each.foreign_key_constraints if key.referred_table is table]


async def forget_project(session: AsyncSession, project: Project) -> None:
    """Remove what is left when no transfer is."""
    members = set(await session.scalars(select(Membership.account).where(Membership.project == project.name)))
    for table in naming("project"):
        for key in hanging_on(table):
            [element] = key.elements
            mine = select(element.column).where(table.columns["project"] == project.name)
            await session.execute(delete(key.table).where(element.parent.in_(mine)))
        await session.execute(delete(table).where(table.columns["project"] == project.name))
    await _sign_out(session, members)


async def _sign_out(session: AsyncSession, members: Set[str]) -> None:
    """Whoever was nothing else but a member has no role any more, and what was begun with it is not to come back with
    the next one."""
    elsewhere = await session.scalars(select(Membership).where(Membership.account.in_(members)))
    still = {each.account for each in elsewhere if each.roles}
    accounts = await session.scalars(select(Account).where(Account.login.in_(members - still)))
    out = [each.login for each in accounts if not (each.system_roles or each.mapped_roles)]
    await session.execute(delete(WebSession).where(WebSession.account.in_(out)))
    alive = ApiToken.account.in_(out), ApiToken.revoked_at.is_(None)
    await session.execute(update(ApiToken).where(*alive).values(revoked_at=now()))
