"""Memberships are given and taken here only; the project `*` is every one."""

from collections.abc import Collection

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import ProjectRole
from services.api.people.accounts import get_account, settle
from services.api.problems import Problem
from shared.tables import Membership
from shared.tables.base import now


async def grant(
    session: AsyncSession,
    login: str,
    project: str,
    roles: Collection[ProjectRole],
    sites: Collection[str] = (),
    by: str = "",
    origin: str = "local",
) -> Membership:
    """These roles, in place of those that one had by the same origin."""
    await get_account(session, login)
    before = await session.get(Membership, (login, project, origin))
    row = before or Membership(account=login, project=project, origin=origin, created_at=now())
    row.roles, row.sites, row.granted_by = sorted(each.value for each in roles), sorted(sites), by
    session.add(row)
    await session.flush()
    return row


async def withdraw(session: AsyncSession, login: str, project: str) -> None:
    """Whatever a person has given; whoever is left without any role is out."""
    account = await get_account(session, login)
    this = Membership.account == login, Membership.project == project, Membership.origin == "local"
    gone = await session.execute(delete(Membership).where(*this).returning(Membership.account))
    if not gone.all():
        raise Problem("unknown-member")
    await settle(session, account)
