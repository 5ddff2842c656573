"""What a row of `permissions` says to somebody: whether they may, and of which projects and sites.

Whoever has none of its roles anywhere is told so (403), of any project and before it is looked for. Whoever is nobody
in the project that is meant is answered as if it were not there (404): that it is may be news.
"""

from enum import StrEnum

from services.api.actor import EVERY_PROJECT, Actor, ProjectRole, SystemRole
from services.api.bound import OF_THE_WHOLE
from services.api.permissions import MANAGING, OF_A_PROJECT, PERMISSIONS, REVIEWING, Rule, Where


class Verdict(StrEnum):
    """What is said to whoever asks."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    NOT_THERE = "not there"


def conceivable(rule: Rule, who: Actor) -> bool:
    """Whether there may be a project, or need be none, for which one may."""
    if rule.scope is not None and who.scopes is not None and rule.scope not in who.scopes:
        return False
    if rule.where in (Where.PUBLIC, Where.SELF):
        return True
    mine: set[SystemRole | ProjectRole] = {*who.system}
    if rule.where is not Where.GATEWAY:
        mine.update(*who.projects.values())
    return not rule.roles.isdisjoint(mine)


def judge(rule: Rule, who: Actor, project: str | None = None) -> Verdict:
    """What one who conceivably may is told of this project; None: what is asked for is in none."""
    if not conceivable(rule, who):
        return Verdict.FORBIDDEN
    if rule.where not in OF_A_PROJECT or not rule.roles.isdisjoint(who.system):
        return Verdict.ALLOWED
    mine = who.roles_in(project) if project is not None else frozenset()
    if not rule.roles.isdisjoint(mine):
        return Verdict.ALLOWED
    return Verdict.FORBIDDEN if mine else Verdict.NOT_THERE


def projects_of(who: Actor, *roles: SystemRole | ProjectRole) -> frozenset[str] | None:
    """The projects in which one has such a role; None: in all, by a role of the gateway or a membership `*`."""
    wanted = frozenset(roles)
    if not wanted.isdisjoint(who.system):
        return None
    found = frozenset(project for project, mine in who.projects.items() if not wanted.isdisjoint(mine))
    return None if EVERY_PROJECT in found else found


def sees(operation: str, who: Actor) -> frozenset[str] | None:
    """The projects of which a list shows its rows; None: all. Of their sites' alone is said by services.api.sight."""
    projects = projects_of(who, *PERMISSIONS[operation].roles)
    if projects is None or operation not in OF_THE_WHOLE:
        return projects
    return frozenset(name for name in projects if not who.sites_in(name))


def bound_to(rule: Rule, who: Actor, project: str) -> frozenset[str]:
    """The sites of a project to which one is bound who asks for this; none: to no site."""
    return who.sites_in(project) if rule.roles.isdisjoint(who.system) else frozenset()


def reviews(who: Actor, project: str) -> bool:
    """Whether one sees what is hidden from others in a project: values, texts, reasons."""
    return not who.roles_in(project).isdisjoint(REVIEWING)


def manages(who: Actor, project: str) -> bool:
    """Whether one may change a project's data, and so sees why others have."""
    return not who.roles_in(project).isdisjoint(MANAGING)
