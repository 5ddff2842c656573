"""The first administrator: made by whoever can write to the database, and by nobody else.

python -m services.api.people LOGIN [--password-file FILE] [--token-file FILE] [--recover]
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import EVERY_PROJECT, ProjectRole, Scope, SystemRole
from services.api.people.accounts import administrators
from services.api.people.secrets import SHOWN, TOKEN, digest, new_secret
from services.api.people.sessions import end_all
from shared.tables import Account, ApiToken, Membership
from shared.tables.base import now

TOKEN_DAYS = 30


class NotTheFirst(Exception):
    """There are administrators, who make accounts."""


@dataclass(frozen=True)
class Wish:
    """Who it is to be."""

    login: str
    hashed: str
    recover: bool = False
    everything: bool = False
    """Owner of every project and operator, too: for a gateway of one person."""
    token: bool = False


async def bootstrap(session: AsyncSession, wish: Wish) -> str | None:
    """The account, new or brought back; the secret of a token for it, if one is wished for."""
    if await administrators(session) and not wish.recover:
        raise NotTheFirst
    account = await session.get(Account, wish.login)
    if account is None:
        account = Account(login=wish.login)
        session.add(account)
    else:
        await end_all(session, wish.login)
    account.origin, account.subject, account.password, account.disabled = "local", None, wish.hashed, False
    roles = {*(account.system_roles or ()), SystemRole.ADMINISTRATOR.value}
    account.system_roles = sorted(roles | ({SystemRole.OPERATOR.value} if wish.everything else set()))
    await session.flush()
    if wish.everything:
        owner = Membership(account=wish.login, project=EVERY_PROJECT, origin="local", roles=[ProjectRole.OWNER.value])
        await session.merge(owner)
    if not wish.token:
        return None
    secret = new_secret(TOKEN)
    session.add(
        ApiToken(
            digest=digest(secret),
            prefix=secret[:SHOWN],
            name=f"api_{wish.login}",
            account=wish.login,
            scopes=[each.value for each in Scope],
            expires_at=now() + timedelta(days=TOKEN_DAYS),
        )
    )
    return secret


def write_private(path: Path, text: str) -> None:
    """A file that only its owner reads; what was there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
