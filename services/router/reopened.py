"""A project takes studies again: what has arrived for it meanwhile is asked for, and what was refused is tried anew."""

from sqlalchemy import and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.router.transfers import MORE_SERIES, request_missing
from shared.database import lock
from shared.events import Event, StudyArrived
from shared.tables import Assignment, Instance, Study, TransferPart

PERSON = "person"


async def ask_for_what_waits(session: AsyncSession, project: str) -> list[Event]:
    """Every series that is assigned and in no transfer; every study that was claimed, though not by a person."""
    return [*await _missing(session, project), *await _refused(session, project)]


async def _missing(session: AsyncSession, project: str) -> list[Event]:
    covered = exists().where(
        and_(
            TransferPart.assignment == Assignment.id,
            TransferPart.series_instance_uid == Instance.series_instance_uid,
            TransferPart.revision == Instance.revision,
        )
    )
    waits = exists().where(
        and_(Instance.study_instance_uid == Assignment.study_instance_uid, Instance.revision.is_not(None), ~covered)
    )
    mine = select(Assignment).where(Assignment.project == project, Assignment.in_force, waits)
    requested: list[Event] = []
    for assignment in await session.scalars(mine.order_by(Assignment.study_instance_uid)):
        await lock(session, "router", assignment.study_instance_uid)
        requested += await request_missing(session, assignment, MORE_SERIES)
    return requested


async def _refused(session: AsyncSession, project: str) -> list[Event]:
    """A claim that is refused again is kept once; a person who was refused was told so."""
    taken = aliased(Assignment)
    in_force = exists().where(
        taken.study_instance_uid == Study.study_instance_uid, taken.project == project, taken.in_force
    )
    claimed = exists().where(
        Assignment.study_instance_uid == Study.study_instance_uid,
        Assignment.project == project,
        Assignment.refused.is_not(None),
        Assignment.reason != PERSON,
    )
    studies = await session.scalars(select(Study).where(Study.arrived_at.is_not(None), claimed, ~in_force))
    return [
        StudyArrived(
            study_instance_uid=study.study_instance_uid, series=study.series_count, instances=study.instance_count
        )
        for study in studies
    ]
