"""A project takes studies again: what has arrived for it meanwhile is asked for."""

from sqlalchemy import and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.transfers import MORE_SERIES, request_missing
from shared.database import lock
from shared.events import TransferRequested
from shared.tables import Assignment, Instance, TransferPart


async def ask_for_what_waits(session: AsyncSession, project: str) -> list[TransferRequested]:
    """Every series that is assigned and in no transfer."""
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
    requested: list[TransferRequested] = []
    for assignment in await session.scalars(mine.order_by(Assignment.study_instance_uid)):
        await lock(session, "router", assignment.study_instance_uid)
        requested += await request_missing(session, assignment, MORE_SERIES)
    return requested
