"""People for tests: whoever is asked as may everything, and others who may less."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from services.api.actor import EVERY_PROJECT, ProjectRole, Scope, SystemRole
from services.api.people.secrets import digest
from shared.database import Database
from shared.tables import Account, ApiToken, Membership
from shared.tables.base import now

TESTER: Final = "k.olsen"
TOKEN: Final = "fiona_t_k.olsen"
"""The token of TESTER, who may everything everywhere."""

MANAGER: Final = "fiona_t_m.berg"
"""The token of a data manager of every project, who reviews nothing."""

BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}


def person(
    login: str,
    *system: SystemRole,
    token: str = "",
    scopes: tuple[Scope, ...] = tuple(Scope),
    sites: tuple[str, ...] = (),
    memberships: Mapping[str, tuple[ProjectRole, ...]] | None = None,
    **values: Any,
) -> list[Any]:
    """The rows of an account, what it is where, and a token of it."""
    secret = token or f"fiona_t_{login}"
    return [
        Account(login=login, name=login.title(), system_roles=[each.value for each in system], **values),
        *(
            Membership(account=login, project=project, roles=[each.value for each in roles], sites=list(sites))
            for project, roles in (memberships or {}).items()
        ),
        ApiToken(
            digest=digest(secret),
            prefix=secret[:14],
            name=f"api_{login}",
            account=login,
            scopes=[each.value for each in scopes],
            expires_at=now() + timedelta(days=1),
        ),
    ]


async def invite(database: Database) -> None:
    """TESTER and the data manager, unless they are there."""
    async with database.session() as session:
        if await session.get(Account, TESTER) is not None:
            return
        for row in (
            *person(TESTER, *SystemRole, memberships={EVERY_PROJECT: (ProjectRole.OWNER,)}),
            *person("m.berg", memberships={EVERY_PROJECT: (ProjectRole.DATA_MANAGER,)}),
        ):
            session.add(row)
            await session.flush()
