"""Who asks: a person or a program, with the roles that say what it may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends, Request

EVERY_PROJECT: Final = "*"
"""The project of a membership that holds in all of them; no project can be called so."""


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


class Scope(StrEnum):
    """What a token is for; its owner's rights of the moment go with it, and never more."""

    READ = "read"
    WRITE = "write"
    REVIEW = "review"
    OPERATE = "operate"
    ADMIN = "admin"
    AUDIT = "audit"
    STORE = "dicom:store"


@dataclass(frozen=True)
class Actor:
    """Somebody who was recognised; `sites` are the data access groups of a project one is bound to (none: all)."""

    name: str
    system: frozenset[SystemRole] = frozenset()
    projects: Mapping[str, frozenset[ProjectRole]] = field(default_factory=dict)
    sites: Mapping[str, frozenset[str]] = field(default_factory=dict)
    scopes: frozenset[Scope] | None = None
    """Of the token that was presented; None: signed in, so all."""

    @property
    def kind(self) -> str:
        """Whether it is a person, or a program with a token of theirs; empty: nobody."""
        return ("person" if self.scopes is None else "token") if self.name else ""

    def roles_in(self, project: str) -> frozenset[ProjectRole]:
        """What one is in a project, by a membership there or in all of them."""
        return self.projects.get(project, frozenset()) | self.projects.get(EVERY_PROJECT, frozenset())

    def sites_in(self, project: str) -> frozenset[str]:
        """The data access groups one is bound to in a project; none: all."""
        return frozenset() if self.projects.get(EVERY_PROJECT) else self.sites.get(project, frozenset())


NOBODY = Actor("")


def _who(request: Request) -> Actor:
    actor: Actor = getattr(request.state, "actor", NOBODY)
    return actor


Who = Annotated[Actor, Depends(_who)]
"""Who asks, as whatever recognised them has noted it on the request."""
