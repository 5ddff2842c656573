"""What is held: pseudonyms, what leads back from them to people, and what is in quarantine."""

from typing import Any

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.data_protection.shapes import Identities, Quarantined
from shared.registry.coupling import in_force
from shared.tables import (
    Assignment,
    CouplingEntry,
    Participant,
    QuarantinedInstance,
    ReviewedInstance,
    Study,
    StudyIdentity,
)
from shared.tables.base import now


def studies_of(project: str) -> Select[Any]:
    """The studies that are assigned to a project."""
    mine = Assignment.project == project, Assignment.in_force
    return select(Assignment.study_instance_uid).where(*mine).distinct()


async def participants(session: AsyncSession, project: str) -> tuple[int, int]:
    """How many pseudonyms there are, and how many of these have withdrawn."""
    counts = select(func.count(), func.count(Participant.withdrawn_at)).where(Participant.project == project)
    row = (await session.execute(counts)).one()
    return row[0], row[1]


async def identities(session: AsyncSession, project: str) -> Identities:
    """What is kept, encrypted, by which somebody here can tell who it was."""
    known = select(func.count(), func.count(Study.patient.distinct())).where(
        Study.study_instance_uid.in_(studies_of(project)),
        exists().where(StudyIdentity.study_instance_uid == Study.study_instance_uid),
    )
    studies, people = (await session.execute(known)).one()
    mine = CouplingEntry.project == project
    return Identities(
        studies=studies,
        people=people,
        coupling_entries=await _count(session, CouplingEntry, mine),
        coupling_entries_in_force=await _count(session, CouplingEntry, and_(mine, in_force(now()))),
    )


async def quarantined(session: AsyncSession, project: str) -> Quarantined:
    """All, and those about which nobody has decided."""
    mine = QuarantinedInstance.project == project
    decided = exists().where(
        ReviewedInstance.transfer == QuarantinedInstance.transfer,
        ReviewedInstance.sop_instance_uid == QuarantinedInstance.sop_instance_uid,
    )
    return Quarantined(
        instances=await _count(session, QuarantinedInstance, mine),
        undecided=await _count(session, QuarantinedInstance, and_(mine, ~decided)),
    )


async def _count(session: AsyncSession, table: Any, where: Any) -> int:
    return await session.scalar(select(func.count()).select_from(table).where(where)) or 0
