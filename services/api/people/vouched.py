"""Somebody for whom a directory or a provider has vouched: what their groups give them, and their account here."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import ProjectRole, SystemRole
from services.api.needs import LOGIN
from services.api.people.accounts import settle
from services.api.people.actors import actor_of, has_a_role
from services.api.people.elsewhere import Grant
from services.api.people.members import grant
from services.api.problems import Problem
from shared.database import lock
from shared.log import logger
from shared.tables import Account, Membership
from shared.tables.base import now

log = logger("api")
LONGEST: Final = 300
SEPARATOR: Final = re.compile(r"\s*,\s*")


@dataclass(frozen=True)
class Vouched:
    """What is said of a person; `subject` is theirs for good, wherever they are called otherwise."""

    origin: Literal["ldap", "oidc"]
    subject: str
    login: str
    name: str
    mail: str
    groups: frozenset[str]


@dataclass(frozen=True)
class Rights:
    """What groups give."""

    system: frozenset[SystemRole]
    projects: dict[str, tuple[frozenset[ProjectRole], frozenset[str]]]
    """Roles, and sites that one is bound to (none: all)."""


def rights(grants: Sequence[Grant], groups: Collection[str]) -> Rights:
    """Of all groups together; whoever has one that is not bound to sites is bound to none."""
    mine = set(map(_plain, groups))
    given = [each for each in grants if _plain(each.group) in mine]
    roles: dict[str, set[ProjectRole]] = defaultdict(set)
    sites: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for each in given:
        if each.project is not None:
            roles[each.project].update(each.roles)
            sites[each.project].append(each.sites)
    bound = {project: frozenset(sum(found, ())) if all(found) else frozenset() for project, found in sites.items()}
    system = frozenset(role for each in given for role in each.system)
    return Rights(system, {project: (frozenset(found), bound[project]) for project, found in roles.items()})


def _plain(group: str) -> str:
    """A DN is the same with other capitals and other spaces between its parts."""
    return SEPARATOR.sub(",", group.strip().casefold())


async def welcome(session: AsyncSession, person: Vouched, grants: Sequence[Grant]) -> Account | None:
    """Their account, made at the first time, with the rights of today; None when nothing gives them any (any more)."""
    given = rights(grants, person.groups)
    await lock(session, "account", person.subject)
    account = await session.scalar(select(Account).where(Account.subject == person.subject).with_for_update())
    if account is None and not (given.system or given.projects):
        return None
    account = account or await _made(session, person)
    if account.disabled:
        raise Problem("wrong-credentials")
    account.name, account.mail = _line(person.name, 100), _line(person.mail, 254).casefold()
    await refresh(session, account, given)
    if not has_a_role(await actor_of(session, account)):
        return None
    account.signed_in_at = now()
    return account


def _line(text: str, most: int) -> str:
    """What can be kept of what others say."""
    return "".join(each for each in text if each.isprintable())[:most]


async def refresh(session: AsyncSession, account: Account, given: Rights) -> None:
    """These, in place of those that groups gave before; what people have given stays. Without any role one is out."""
    account.mapped_roles = sorted(role.value for role in given.system)
    mine = Membership.account == account.login, Membership.origin == account.origin
    await session.execute(delete(Membership).where(*mine, Membership.project.not_in(given.projects)))
    for project, (roles, sites) in given.projects.items():
        await grant(session, account.login, project, roles, sites, origin=account.origin)
    await settle(session, account)


async def _made(session: AsyncSession, person: Vouched) -> Account:
    """A problem when somebody else is called so here: one name is one person, whoever vouches."""
    if not LOGIN.fullmatch(person.login) or len(person.subject) > LONGEST:
        log.warning("no login here: a name or subject that cannot be kept")
        raise Problem("wrong-credentials")
    if await session.get(Account, person.login) is not None:
        log.warning("a login is taken by somebody else")
        raise Problem("login-taken")
    account = Account(login=person.login, origin=person.origin, subject=person.subject)
    session.add(account)
    await session.flush()
    return account
