"""A project takes studies again: what has arrived for it meanwhile is asked for, and what was refused is tried anew."""

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from services.router.locks import hold
from services.router.transfers import MORE_SERIES, not_asked_for, request_missing
from shared.events import Event, StudyArrived
from shared.tables import Assignment, Study

PERSON = "person"


async def ask_for_what_waits(session: AsyncSession, project: str) -> list[Event]:
    """Every series that is assigned and in no transfer; every study that was claimed, though not by a person."""
    return [*await _missing(session, project), *await _refused(session, project)]


async def _missing(session: AsyncSession, project: str) -> list[Event]:
    waits = exists().where(not_asked_for(Assignment))
    mine = Assignment.project == project, Assignment.in_force, waits
    studies = set(await session.scalars(select(Assignment.study_instance_uid).where(*mine)))
    await hold(session, *studies)
    requested: list[Event] = []
    for assignment in await session.scalars(select(Assignment).where(*mine).order_by(Assignment.study_instance_uid)):
        if assignment.study_instance_uid in studies:
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
