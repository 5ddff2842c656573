"""A forgotten password: a link by mail, good once and for half an hour; the answer tells nobody anything."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.people.accounts import replace_password
from services.api.people.secrets import digest, new_secret
from services.api.problems import Problem
from shared.crypto import Vault
from shared.log import logger
from shared.mail import post
from shared.tables import Account, PasswordReset
from shared.tables.base import now

log = logger("api")
RESET: Final = "fiona_r_"
GOOD_FOR: Final = timedelta(minutes=30)
AT_MOST: Final = 5
"""Accounts that share a mail address."""

SUBJECT: Final = "FIONA: a new password"
TEXT: Final = """\
Somebody, probably you, has asked for a new password for {login} at {base}.

    {base}/reset#{secret}

or, in a terminal, `fiona user reset`, and then

    {secret}

It is good once, until {until} UTC. If it was not you, there is nothing to do: the password stays as it is.
"""


async def send(session: AsyncSession, vault: Vault, said: str, base: str) -> None:
    """A mail to each local account of this login or mail address, in place of those before; to nobody if none is."""
    name = said.strip().casefold()
    named = or_(Account.login == name, Account.mail == name)
    rows = await session.scalars(
        select(Account).where(named, ~Account.disabled, Account.origin == "local", Account.mail != "").limit(AT_MOST)
    )
    for account in rows.all():
        secret, until = new_secret(RESET), now() + GOOD_FOR
        await session.execute(delete(PasswordReset).where(PasswordReset.account == account.login))
        session.add(PasswordReset(digest=digest(secret), account=account.login, expires_at=until))
        words = {"login": account.login, "base": base, "secret": secret, "until": f"{until:%Y-%m-%d %H:%M}"}
        try:
            await post(session, vault, account.mail, SUBJECT, TEXT.format(**words))
        except ValueError:
            log.warning("an account has a mail address that is none")
    await session.execute(delete(PasswordReset).where(PasswordReset.expires_at <= now()))


async def owner(session: AsyncSession, secret: str, spend: bool = False) -> Account:
    """Whose link it is; `spend`: it is good no more. A problem when it was never, is spent, or too old."""
    row = await session.get(PasswordReset, digest(secret), with_for_update=spend)
    account = await session.get(Account, row.account) if row is not None and row.expires_at > now() else None
    if account is None or account.disabled or account.origin != "local":
        raise Problem("link-spent")
    if spend:
        await session.execute(delete(PasswordReset).where(PasswordReset.account == account.login))
    return account


async def reset(session: AsyncSession, secret: str, hashed: str) -> None:
    """Another password; whoever was signed in with the one before is out."""
    account = await owner(session, secret, spend=True)
    await replace_password(session, account, hashed)
