"""A project as whatever is done in it needs it: it is there, and open. One that is made gets its key here."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.problems import FieldError, Problem, invalid
from services.api.rows import get_row
from shared.crypto import Vault
from shared.database import insert_new
from shared.registry.projects import OPEN
from shared.tables import Destination, Project
from shared.tables.base import now

KEY_BYTES: Final = 32


async def get_project(session: AsyncSession, name: str) -> Project:
    """The project; a problem when there is none."""
    return await get_row(session, Project, name)


def check_open(project: Project) -> None:
    """A problem when nothing in the project may be changed any more."""
    if project.state not in OPEN:
        raise Problem("project-closed", f"the project is {project.state}")


async def add_project(session: AsyncSession, vault: Vault, values: Mapping[str, Any]) -> Project:
    """A new project with a key of its own; a problem when the name is taken or a destination is not there."""
    await check_destinations(session, values["destinations"])
    own = {"encrypted_key": vault.encrypt(secrets.token_bytes(KEY_BYTES)), "active": True, "created_at": now()}
    if not await insert_new(session, Project, [{**values, **own}]):
        raise Problem("project-exists")
    return await session.get_one(Project, values["name"])


async def check_destinations(session: AsyncSession, names: list[str]) -> None:
    """A problem that says where, when one is not there; those that are cannot go before the transaction ends."""
    named = select(Destination.name).where(Destination.name.in_(names))
    known = set(await session.scalars(named.with_for_update(read=True)))
    errors = [
        FieldError(loc=["body", "destinations", i], msg="there is no such destination", type="unknown")
        for i, name in enumerate(names)
        if name not in known
    ]
    if errors:
        raise invalid(*errors)
