"""Rights of directories' people, looked up anew every hour: a token must not outlive its owner's group."""

import asyncio
from typing import Final

from sqlalchemy import exists, select

from services.api.people.elsewhere import Elsewhere, Ldap
from services.api.people.ldap import LdapUnavailable, look_up
from services.api.people.vouched import Rights, refresh, rights
from shared.database import DatabaseUnavailable
from shared.log import logger
from shared.service import Context
from shared.tables import Account, ApiToken, WebSession

log = logger("api")
EVERY: Final = 3600.0
NONE: Final = Rights(frozenset(), {})


async def keep_fresh(context: Context, elsewhere: Elsewhere) -> None:
    """Until cancelled; several replicas do it as often as they like."""
    while elsewhere.ldap:
        await asyncio.sleep(EVERY)
        try:
            await refresh_all(context, elsewhere)
        except DatabaseUnavailable as error:
            log.warning("database unavailable", error=str(error))
        except Exception:
            log.exception("rights not looked up")


async def refresh_all(context: Context, elsewhere: Elsewhere) -> None:
    """Everybody of a directory who has a session or a token. Who cannot be looked up now keeps what they have."""
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
        given = NONE if directory is None else await _now(directory, login, subject)
        if given is not None:
            async with context.database.session() as session:
                account = await session.get_one(Account, login, with_for_update=True)
                await refresh(session, account, given)


async def _now(directory: Ldap, login: str, subject: str) -> Rights | None:
    """What groups give at the moment; None: nobody can say."""
    try:
        person = await asyncio.to_thread(look_up, directory, login)
    except LdapUnavailable as error:
        log.warning("directory unavailable", destination=directory.name, why=str(error))
        return None
    return rights(directory.grants, person.groups) if person is not None and person.subject == subject else NONE
