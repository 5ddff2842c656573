"""Who asks: a person or a program, with the roles that say what it may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from fastapi import Depends, Request


class SystemRole(StrEnum):
    """What somebody is for the whole gateway."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class ProjectRole(StrEnum):
    """What somebody is in one project."""

    OWNER = "owner"
    DATA_MANAGER = "data_manager"
    DATA_ENTRY = "data_entry"
    CONTROLLER = "controller"


@dataclass(frozen=True)
class Actor:
    """Somebody who was recognised; `sites` are the data access groups of a project one is bound to (none: all)."""

    name: str
    system: frozenset[SystemRole] = frozenset()
    projects: Mapping[str, frozenset[ProjectRole]] = field(default_factory=dict)
    sites: Mapping[str, frozenset[str]] = field(default_factory=dict)


NOBODY = Actor("")


def _who(request: Request) -> Actor:
    actor: Actor = getattr(request.state, "actor", NOBODY)
    return actor


Who = Annotated[Actor, Depends(_who)]
"""Who asks, as whatever recognised them has noted it on the request."""
