"""Accounts are changed here only, with what has to follow: who loses the password, the account or all roles is out."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import SystemRole
from services.api.people.actors import actor_of, has_a_role
from services.api.people.sessions import end_all
from services.api.problems import Problem
from services.api.rows import get_row
from shared.database import lock
from shared.tables import Account


async def get_account(session: AsyncSession, login: str, edited: bool = False) -> Account:
    """The account; a problem when there is none. `edited`: nobody else changes it meanwhile."""
    return await get_row(session, Account, login, locked=edited)


async def settle(session: AsyncSession, account: Account) -> None:
    """After roles or state have changed: nobody without any keeps a session or a token."""
    await session.flush()
    if account.disabled or not has_a_role(await actor_of(session, account)):
        await end_all(session, account.login)


async def replace_password(session: AsyncSession, account: Account, hashed: str, but: str | None = None) -> None:
    """With it go all sessions but the one in which it was done, and all tokens."""
    account.password = hashed
    await end_all(session, account.login, but)


async def keep_an_administrator(session: AsyncSession) -> None:
    """A problem when nobody would be left who can give anybody rights. Called after the change, before its commit."""
    await session.flush()
    if not await administrators(session):
        raise Problem("last-administrator")


async def administrators(session: AsyncSession) -> Collection[str]:
    """The logins of those who can sign in and are; nobody becomes or ceases to be one meanwhile."""
    await lock(session, "administrators")
    rows = await session.scalars(select(Account).where(~Account.disabled))
    return [row.login for row in rows if SystemRole.ADMINISTRATOR in {*row.system_roles, *row.mapped_roles}]
