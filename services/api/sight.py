"""What of a list somebody sees: rows of the projects they have a part in; whose study it is, only there.

Whoever is bound to sites of a project sees what is of participants of the sites, and what waits to be assigned.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.judging import projects_of, sees
from services.api.permissions import ENTERING, MEMBERS, RUNNING
from services.api.problems import Problem
from services.api.sites import of_sites
from shared.tables import Assignment, Study, Transfer

OfSites = Callable[[str, frozenset[str]], ColumnElement[bool]]
"""A condition under which a row of this project is of participants of these sites."""


def in_sight(who: Actor, operation: str, column: Any, participant: Any = None) -> ColumnElement[bool]:
    """The row is of a project for which one may do this, and of a participant there; None: it is of nobody."""
    theirs = None if participant is None else _of_participant(participant)
    return _among(who, column, sees(operation, who), theirs)


def in_sight_by_transfer(who: Actor, operation: str, column: Any, transfer: Any) -> ColumnElement[bool]:
    """The same of what is of a transfer."""

    def theirs(project: str, sites: frozenset[str]) -> ColumnElement[bool]:
        mine = Transfer.project == project, of_sites(project, Transfer.participant, sites)
        found: ColumnElement[bool] = transfer.in_(select(Transfer.id).where(*mine))
        return found

    return _among(who, column, sees(operation, who), theirs)


def within(project: str, projects: frozenset[str] | None) -> bool:
    """The same of one project; None: all."""
    return projects is None or project in projects


def studies_in_sight(who: Actor) -> ColumnElement[bool]:
    """The study is in a project of theirs, or waits for somebody who may assign it; who runs the gateway sees all."""
    return identities_in_sight(who) if who.system.isdisjoint(RUNNING) else true()


def identities_in_sight(who: Actor) -> ColumnElement[bool]:
    """The same for those who see whose study it is: no role of the gateway is enough for it."""
    projects = projects_of(who, *MEMBERS)
    if projects is None and assigns(who):
        return true()
    mine = [Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force]
    theirs = exists().where(*mine, assigned_to_theirs(who))
    return or_(theirs, ~exists().where(*mine) if assigns(who) else false())


def assigned_to_theirs(who: Actor) -> ColumnElement[bool]:
    """The assignment is in a project of theirs, to a participant of their sites: they see whose study it is."""
    return _among(who, Assignment.project, projects_of(who, *MEMBERS), _of_participant(Assignment.participant))


async def find_study(session: AsyncSession, who: Actor, uid: str) -> Study:
    """The study; a problem when there is none, or none in sight."""
    study = await session.scalar(select(Study).where(Study.study_instance_uid == uid, studies_in_sight(who)))
    if study is None:
        raise Problem("unknown-study")
    return study


def assigns(who: Actor) -> bool:
    """Whether what waits may be theirs: they may assign studies somewhere."""
    projects = projects_of(who, *ENTERING)
    return projects is None or bool(projects)


def _of_participant(participant: Any) -> OfSites:
    return lambda project, sites: of_sites(project, participant, sites)


def _among(who: Actor, column: Any, projects: frozenset[str] | None, theirs: OfSites | None) -> ColumnElement[bool]:
    if projects is None:
        return true()
    bound = {name: sites for name in sorted(projects) if theirs and (sites := who.sites_in(name))}
    free: ColumnElement[bool] = column.in_(sorted(projects - bound.keys()))
    if theirs is None or not bound:
        return free
    return or_(free, *(and_(column == name, theirs(name, sites)) for name, sites in bound.items()))
