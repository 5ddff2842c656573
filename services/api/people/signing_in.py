"""Signing in: the attempt is counted, the password looked at, and the answer the same whoever does not exist."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from services.api.people import tallies
from services.api.people.addresses import caller, neighbourhood
from services.api.people.elsewhere import Oidc, read
from services.api.people.ldap import LdapUnavailable, authenticate
from services.api.people.oidc import Client
from services.api.people.passwords import Passwords
from services.api.people.tallies import Limit
from services.api.people.vouched import welcome
from services.api.problems import Problem
from services.api.settings import ApiSettings
from shared.log import logger
from shared.service import Context
from shared.tables import Account
from shared.tables.base import now

log = logger("api")


class Door:
    """What signing in takes: the settings, the means of checking passwords, and who else vouches for people."""

    def __init__(self, settings: ApiSettings) -> None:
        """SignInFileError when the settings name a file that is not right."""
        self.settings = settings
        self.passwords = Passwords(settings.password_kib, settings.password_rounds)
        self.elsewhere = read(settings.sign_in)
        self.providers = {each.name: Client(each, self._callback(each)) for each in self.elsewhere.oidc}

    @property
    def base(self) -> str:
        """How people reach the gateway."""
        return self.settings.public_url or f"http://127.0.0.1:{self.settings.port}"

    def _callback(self, provider: Oidc) -> str:
        return f"{self.base}/api/v1/session/oidc/{provider.name}/callback"


def canonical(login: str) -> str:
    """A login as it is kept."""
    return login.strip().casefold()


def failures_of(context: Context, name: str, what: str = "sign-in") -> str:
    """Under which key failures of a login are counted."""
    return context.vault.hash(f"{what} account", name)


async def count(request: Request, context: Context, what: str, name: str) -> tuple[str, str]:
    """Count an attempt of this name from this address; under which keys. A problem when there were too many."""
    door: Door = request.app.state.door
    by_account = failures_of(context, name, what)
    by_address = context.vault.hash(f"{what} address", neighbourhood(caller(request, door.settings.proxies)))
    limits = (
        Limit(by_account, door.settings.sign_in_failures),
        Limit(by_address, door.settings.sign_in_failures_address),
    )
    async with context.database.session() as session:
        await tallies.count(session, limits)
    return by_account, by_address


async def check_password(request: Request, context: Context, login: str, password: str) -> Account:
    """The account; a problem that says nothing more when it is not the right password, or too many were not."""
    door: Door = request.app.state.door
    name = canonical(login)
    async with context.database.reading() as session:
        account = await session.get(Account, name)
    _tell(request, context, name, known=account is not None)
    by_account, by_address = await count(request, context, "sign-in", name)
    if door.elsewhere.ldap and (account is None or account.origin == "ldap"):
        return await _by_directory(context, door, name, password, by_account, by_address)
    kept = None if account is None or account.disabled or account.origin != "local" else account.password
    good = await door.passwords.verify(kept, password)
    if not good or account is None or not door.elsewhere.local:
        log.info("sign-in refused")
        raise Problem("wrong-credentials")
    anew = await door.passwords.hash(password) if door.passwords.outdated(str(kept)) else None
    async with context.database.session() as session:
        await tallies.forgive(session, by_account, [by_address])
        return await _signed_in(session, account, anew)


def _tell(request: Request, context: Context, name: str, *, known: bool) -> None:
    """For the audit: whose sign-in was tried. What is no login here may be a password in the wrong field: of that only
    a keyed hash is kept, by which several tries are seen to be of the same word."""
    hashed = context.vault.hash("login tried", name)[:16]
    request.state.told = {"login": name} if known else {"login_hash": hashed}


async def _by_directory(
    context: Context, door: Door, login: str, password: str, by_account: str, by_address: str
) -> Account:
    """Asked one after the other until one knows this login with this password."""
    away = False
    for directory in door.elsewhere.ldap:
        try:
            person = await asyncio.to_thread(authenticate, directory, login, password)
        except LdapUnavailable as error:
            log.warning("directory unavailable", destination=directory.name, why=str(error))
            away = True
            continue
        if person is not None:
            async with context.database.session() as session:
                await tallies.forgive(session, by_account, [by_address])
                account = await welcome(session, person, directory.grants)
            if account is None:
                raise Problem("no-role")
            return account
    log.info("sign-in refused")
    raise Problem("directory-unavailable" if away else "wrong-credentials")


async def _signed_in(session: AsyncSession, account: Account, anew: str | None) -> Account:
    """Noted, if it is the same account still; `anew`: its password, hashed with the parameters of today."""
    row = await session.get_one(Account, account.login, with_for_update=True)
    if row.disabled or row.password != account.password:
        raise Problem("wrong-credentials")
    row.signed_in_at = now()
    row.password = anew or row.password
    return row
