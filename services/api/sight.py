"""What of a list somebody sees: rows of the projects they have a part in; whose study it is, only there."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, exists, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.permissions import ENTERING, MEMBERS, RUNNING, projects_of, sees
from services.api.problems import Problem
from shared.tables import Assignment, Study


def in_sight(who: Actor, operation: str, column: Any) -> ColumnElement[bool]:
    """The row is of a project for which one may do this."""
    return _among(column, sees(operation, who))


def within(project: str, projects: frozenset[str] | None) -> bool:
    """The same of one project; None: all."""
    return projects is None or project in projects


def studies_in_sight(who: Actor) -> ColumnElement[bool]:
    """The study is in a project of theirs, or waits for somebody who may assign it; who runs the gateway sees all."""
    return identities_in_sight(who) if who.system.isdisjoint(RUNNING) else true()


def identities_in_sight(who: Actor) -> ColumnElement[bool]:
    """The same for those who see whose study it is: no role of the gateway is enough for it."""
    projects = projects_of(who, *MEMBERS)
    if projects is None and _assigns(who):
        return true()
    mine = [Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force]
    theirs = exists().where(*mine, _among(Assignment.project, projects))
    return or_(theirs, ~exists().where(*mine) if _assigns(who) else false())


def sees_identity(who: Actor, in_force: Collection[str]) -> bool:
    """The same of a study that is in these projects."""
    if not in_force:
        return _assigns(who)
    projects = projects_of(who, *MEMBERS)
    return any(within(each, projects) for each in in_force)


async def find_study(session: AsyncSession, who: Actor, uid: str) -> Study:
    """The study; a problem when there is none, or none in sight."""
    study = await session.scalar(select(Study).where(Study.study_instance_uid == uid, studies_in_sight(who)))
    if study is None:
        raise Problem("unknown-study")
    return study


def _among(column: Any, projects: frozenset[str] | None) -> ColumnElement[bool]:
    found: ColumnElement[bool] = true() if projects is None else column.in_(sorted(projects))
    return found


def _assigns(who: Actor) -> bool:
    projects = projects_of(who, *ENTERING)
    return projects is None or bool(projects)
