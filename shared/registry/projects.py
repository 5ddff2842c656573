"""The life of a project: which states there are, who may move it from one to the next, when it takes studies."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, or_

from shared.settings import Settings
from shared.tables import Project

ADMINISTRATOR: Final = "administrator"
OWNER: Final = "owner"
CLOCK: Final = "clock"
"""Who moves a project when its time has come: the registry service."""

TRANSITIONS: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("applied", "development"): frozenset({ADMINISTRATOR}),
    ("applied", "rejected"): frozenset({ADMINISTRATOR}),
    ("development", "production"): frozenset({ADMINISTRATOR}),
    ("development", "archived"): frozenset({ADMINISTRATOR, OWNER, CLOCK}),
    ("production", "archived"): frozenset({ADMINISTRATOR, OWNER, CLOCK}),
    ("archived", "production"): frozenset({ADMINISTRATOR}),
    ("archived", "deleted"): frozenset({CLOCK}),
}
"""From, to -> who may. What is not here is not done; `applied` and `rejected` are states of an application."""

OPEN: Final = frozenset({"development", "production"})
"""The states in which a project takes studies and can be changed."""


def may_move(before: str, after: str, who: str) -> bool:
    """Whether somebody in this part may move a project so."""
    return who in TRANSITIONS.get((before, after), ())


def open_for_transfers(project: Project, today: date) -> str | None:
    """Why a project takes no studies now, free of PHI; None: it does. On the day its approval ends it does no more."""
    if project.state not in OPEN:
        return f"the project is {project.state}"
    if not project.active:
        return "the project is not active"
    if project.starts_on is not None and today < project.starts_on:
        return f"the project's approval begins on {project.starts_on}"
    if project.ends_on is not None and today >= project.ends_on:
        return f"the project's approval has ended on {project.ends_on}"
    return None


def takes_studies(today: date) -> ColumnElement[bool]:
    """The same of the projects of a query: that it takes studies."""
    begun = or_(Project.starts_on.is_(None), Project.starts_on <= today)
    lasting = or_(Project.ends_on.is_(None), Project.ends_on > today)
    return and_(Project.state.in_(OPEN), Project.active, begun, lasting)


def today() -> date:
    """The date where people are (FIONA_TIMEZONE)."""
    return datetime.now(_zone()).date()


@cache
def _zone() -> ZoneInfo:
    return ZoneInfo(Settings().timezone)
