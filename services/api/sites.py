"""Data access groups: whoever is bound to sites of a project adds to those, and sees no other's participants."""

from sqlalchemy import ColumnElement

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


def check_site(who: Actor, participant: Participant) -> None:
    """A problem unless one may add studies to the participant."""
    mine = who.sites_in(participant.project)
    if mine and participant.site not in mine:
        raise Problem("other-site")
