"""An account as an actor: what it may at this moment, and no more than the token allows that was presented."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor, ProjectRole, Scope, SystemRole
from shared.tables import Account, ApiToken, Membership


async def actor_of(session: AsyncSession, account: Account) -> Actor:
    """Somebody who is signed in."""
    rows = await session.scalars(select(Membership).where(Membership.account == account.login))
    return made(account, rows.all())


def made(account: Account, memberships: Iterable[Membership]) -> Actor:
    """Roles of all origins together; bound to sites only where no membership in the project is free of them."""
    roles: dict[str, frozenset[ProjectRole]] = defaultdict(frozenset)
    sites: dict[str, list[frozenset[str]]] = defaultdict(list)
    for each in memberships:
        roles[each.project] |= frozenset(map(ProjectRole, each.roles))
        sites[each.project].append(frozenset(each.sites))
    bound = {project: frozenset[str]().union(*found) for project, found in sites.items() if all(found)}
    system = frozenset(map(SystemRole, {*account.system_roles, *account.mapped_roles}))
    return Actor(account.login, system, dict(roles), bound)


def limited(owner: Actor, token: ApiToken) -> Actor:
    """The owner as far as a token goes: one for a project has no part in anything else."""
    scopes = frozenset(map(Scope, token.scopes))
    if token.project is None:
        return Actor(owner.name, owner.system, owner.projects, owner.sites, scopes)
    roles, sites = owner.roles_in(token.project), owner.sites_in(token.project)
    bound = {token.project: sites} if sites else {}
    return Actor(owner.name, frozenset(), {token.project: roles} if roles else {}, bound, scopes)


def has_a_role(actor: Actor) -> bool:
    """Whether there is anything that one may."""
    return bool(actor.system) or any(actor.projects.values())
