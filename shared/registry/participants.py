"""Participants, written through here only, whether a person, a list, a rule or a project makes one (ADR 15)."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import insert_new
from shared.tables import Participant
from shared.tables.base import now

WITHDRAWN: Final = "the participant's consent was withdrawn"
"""Why nothing is taken for somebody, as people are told."""

ORIGINS = ("person", "auto", "coupling", "rule")
"""Who can have made a participant."""


async def ensure_participant(
    session: AsyncSession, project: str, name: str, *, origin: str, site: str = "", by: str = ""
) -> bool:
    """Make the participant unless it is there; whether it is new. One that is there stays as it is."""
    return await ensure_participants(session, project, [name], origin=origin, site=site, by=by) == 1


async def ensure_participants(
    session: AsyncSession, project: str, names: Iterable[str], *, origin: str, site: str = "", by: str = ""
) -> int:
    """The same of many; how many are new."""
    if origin not in ORIGINS:
        raise ValueError(f"not an origin: {origin}")
    made = {
        "project": project,
        "site": site,
        "origin": origin,
        "created_by": by,
        "created_at": now(),
        "withdrawn_at": None,
    }
    return await insert_new(session, Participant, [made | {"name": name} for name in names])


async def is_withdrawn(session: AsyncSession, project: str, name: str) -> bool:
    """Whether the participant's consent was withdrawn: it takes no more studies."""
    withdrawn = select(Participant.withdrawn_at).where(Participant.project == project, Participant.name == name)
    return await session.scalar(withdrawn) is not None


async def withdraw_participant(session: AsyncSession, project: str, name: str) -> bool:
    """Note that consent was withdrawn; False when it was before. From now on the participant takes no studies."""
    made = await session.execute(
        update(Participant)
        .where(Participant.project == project, Participant.name == name, Participant.withdrawn_at.is_(None))
        .values(withdrawn_at=now())
        .returning(Participant.name)
    )
    return bool(made.all())
