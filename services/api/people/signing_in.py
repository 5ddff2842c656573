"""Signing in: the attempt is counted, the password looked at, and the answer the same whoever does not exist."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from services.api.people import tallies
from services.api.people.addresses import caller, neighbourhood
from services.api.people.passwords import Passwords
from services.api.people.tallies import Limit
from services.api.problems import Problem
from services.api.settings import ApiSettings
from shared.log import logger
from shared.service import Context
from shared.tables import Account
from shared.tables.base import now

log = logger("api")


@dataclass(frozen=True)
class Door:
    """What signing in takes: the settings and the means of checking passwords."""

    settings: ApiSettings
    passwords: Passwords


def canonical(login: str) -> str:
    """A login as it is kept."""
    return login.strip().casefold()


async def check_password(request: Request, context: Context, login: str, password: str) -> Account:
    """The account; a problem that says nothing more when it is not the right password, or too many were not."""
    door: Door = request.app.state.door
    name = canonical(login)
    by_account = context.vault.hash("sign-in account", name)
    by_address = context.vault.hash("sign-in address", neighbourhood(caller(request, door.settings.proxies)))
    limits = (
        Limit(by_account, door.settings.sign_in_failures),
        Limit(by_address, door.settings.sign_in_failures_address),
    )
    async with context.database.session() as session:
        await tallies.count(session, limits)
    async with context.database.reading() as session:
        account = await session.get(Account, name)
    kept = None if account is None or account.disabled or account.origin != "local" else account.password
    if not await door.passwords.verify(kept, password) or account is None:
        log.info("sign-in refused")
        raise Problem("wrong-credentials")
    anew = await door.passwords.hash(password) if door.passwords.outdated(str(kept)) else None
    async with context.database.session() as session:
        await tallies.forgive(session, by_account, [by_address])
        return await _signed_in(session, account, anew)


async def _signed_in(session: AsyncSession, account: Account, anew: str | None) -> Account:
    """Noted, if it is the same account still; `anew`: its password, hashed with the parameters of today."""
    row = await session.get_one(Account, account.login, with_for_update=True)
    if row.disabled or row.password != account.password:
        raise Problem("wrong-credentials")
    row.signed_in_at = now()
    row.password = anew or row.password
    return row
