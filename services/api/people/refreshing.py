"""Rights of people for whom others vouch, looked up anew: neither a session nor a token must outlive its owner's group.

A directory is asked about everybody who has either; a provider of OpenID Connect, by its refresh token, about whoever
has a session. Who cannot be asked about now keeps what they have.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from sqlalchemy import exists, select, update

from services.api.people.elsewhere import Elsewhere, Ldap
from services.api.people.ldap import LdapUnavailable, look_up
from services.api.people.oidc import OidcRefused, OidcUnavailable
from services.api.people.sessions import end, end_all
from services.api.people.signing_in import Door
from services.api.people.vouched import Rights, refresh, rights
from shared.database import DatabaseUnavailable
from shared.log import logger
from shared.service import Context
from shared.tables import Account, ApiToken, WebSession
from shared.tables.base import now

log = logger("api")
DIRECTORIES_EVERY: Final = 3600.0
PROVIDERS_EVERY: Final = 60.0
"""How often it is looked whose session is due."""

NONE: Final = Rights(frozenset(), {})


async def keep_fresh(context: Context, door: Door) -> None:
    """Until cancelled; several replicas do it as often as they like."""
    async with asyncio.TaskGroup() as group:
        if door.elsewhere.ldap:
            group.create_task(_every(DIRECTORIES_EVERY, lambda: refresh_all(context, door.elsewhere)))
        if door.elsewhere.oidc:
            group.create_task(_every(PROVIDERS_EVERY, lambda: ask_providers(context, door)))


async def _every(seconds: float, look: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await look()
        except DatabaseUnavailable as error:
            log.warning("database unavailable", error=str(error))
        except Exception:
            log.exception("rights not looked up")


async def refresh_all(context: Context, elsewhere: Elsewhere) -> None:
    """Everybody of a directory who has a session or a token. Whoever is not in it any more has neither."""
    directories = {each.name: each for each in elsewhere.ldap}
    signed_in = exists().where(WebSession.account == Account.login)
    has_token = exists().where(ApiToken.account == Account.login, ApiToken.revoked_at.is_(None))
    async with context.database.reading() as session:
        rows = await session.scalars(
            select(Account).where(Account.origin == "ldap", ~Account.disabled, signed_in | has_token)
        )
        people = [(row.login, str(row.subject)) for row in rows]
    for login, subject in people:
        directory = directories.get(subject.partition(":")[0])
        try:
            given = None if directory is None else await asyncio.to_thread(_now, directory, login, subject)
        except LdapUnavailable as error:
            log.warning("directory unavailable", destination=str(directory and directory.name), why=str(error))
            continue
        async with context.database.session() as session:
            account = await session.get_one(Account, login, with_for_update=True)
            await refresh(session, account, given or NONE)
            if given is None:
                await end_all(session, login)


def _now(directory: Ldap, login: str, subject: str) -> Rights | None:
    """What groups give at the moment; None: the person is not there any more. Blocks."""
    person = look_up(directory, login, subject)
    return rights(directory.grants, person.groups) if person is not None else None


async def ask_providers(context: Context, door: Door) -> None:
    """About each session whose provider was last asked a while ago, unless nobody uses it any more."""
    moment = now()
    due = (
        select(WebSession, Account)
        .join(Account, Account.login == WebSession.account)
        .where(
            WebSession.refresh.is_not(None),
            WebSession.vouched_at <= moment - timedelta(seconds=door.settings.provider_seconds),
            WebSession.seen_at > moment - timedelta(seconds=door.settings.session_idle_seconds),
            WebSession.expires_at > moment,
        )
    )
    async with context.database.reading() as session:
        found = [(row, str(account.subject)) for row, account in await session.execute(due)]
    for row, subject in found:
        if await _taken(context, row):
            await _ask(context, door, row, subject)


async def _taken(context: Context, row: WebSession) -> bool:
    """Whether we ask: a refresh token is good once at many providers, and another replica may have begun."""
    mine = update(WebSession).where(WebSession.digest == row.digest, WebSession.vouched_at == row.vouched_at)
    async with context.database.session() as session:
        taken = await session.execute(mine.values(vouched_at=now()).returning(WebSession.digest))
        return taken.first() is not None


async def _ask(context: Context, door: Door, row: WebSession, subject: str) -> None:
    name, _, theirs = subject.partition(":")
    provider, client = door.elsewhere.provider(name), door.providers.get(name)
    this = update(WebSession).where(WebSession.digest == row.digest)
    try:
        if provider is None or client is None:
            raise OidcRefused("it is not in the settings any more")
        person, token = await client.again(context.vault.decrypt(row.refresh or b""), theirs)
    except OidcUnavailable as error:
        log.warning("provider unavailable", destination=name, why=str(error))
        async with context.database.session() as session:
            await session.execute(this.values(vouched_at=row.vouched_at))
        return
    except OidcRefused as error:
        log.info("session ended: its provider does not vouch for it", destination=name, why=str(error))
        async with context.database.session() as session:
            await end(session, row.digest)
        return
    async with context.database.session() as session:
        await session.execute(this.values(refresh=context.vault.encrypt(token)))
        if person is not None:
            account = await session.get_one(Account, row.account, with_for_update=True)
            await refresh(session, account, rights(provider.grants, person.groups))
