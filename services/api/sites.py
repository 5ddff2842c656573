"""Data access groups: whoever is bound to sites of a project adds to those, and sees no other's participants."""

from typing import Any

from sqlalchemy import ColumnElement, exists
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.problems import FieldError, Problem, invalid
from shared.tables import Participant


def site_for(who: Actor, project: str, wished: str | None) -> str:
    """The site of a participant that somebody adds; one who is bound to a single site need not say which."""
    mine = who.sites_in(project)
    if not mine:
        return wished or ""
    if wished is None and len(mine) > 1:
        raise invalid(FieldError(loc=["body", "site"], msg=f"one of {', '.join(sorted(mine))}", type="missing"))
    site = next(iter(mine)) if wished is None else wished
    if site not in mine:
        raise Problem("other-site")
    return site


def visible(who: Actor, project: str) -> list[ColumnElement[bool]]:
    """The condition under which one sees a participant of a project."""
    mine = who.sites_in(project)
    return [Participant.site.in_(sorted(mine))] if mine else []


def of_sites(project: str, participant: Any, sites: frozenset[str]) -> ColumnElement[bool]:
    """The condition under which a column names a participant of one of the sites."""
    this = Participant.project == project, Participant.name == participant
    return exists().where(*this, Participant.site.in_(sorted(sites)))


def theirs(who: Actor, project: str, participant: Any) -> list[ColumnElement[bool]]:
    """The condition under which a row of a project is theirs, by the column that names its participant."""
    sites = who.sites_in(project)
    return [of_sites(project, participant, sites)] if sites else []


async def is_theirs(session: AsyncSession, who: Actor, project: str, participant: str | None) -> bool:
    """The same of one that is known by name; None: it is of nobody in particular."""
    sites = who.sites_in(project)
    if not sites:
        return True
    row = await session.get(Participant, (project, participant)) if participant else None
    return row is not None and row.site in sites


def check_site(who: Actor, participant: Participant) -> None:
    """A problem unless one may add studies to the participant."""
    mine = who.sites_in(participant.project)
    if mine and participant.site not in mine:
        raise Problem("other-site")
