"""Once more: what a person wants sent again is asked for anew, study by study, each of them once."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.locks import hold
from services.router.transfers import Part, request
from shared.events import Event, ResendRequested
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, Instance, Project, Transfer, TransferPart
from shared.transfers import leaving

BATCH = 25
"""Studies of one transaction."""


async def send_again(session: AsyncSession, event: ResendRequested) -> list[Event]:
    """New transfers of what is meant, to the destinations and by the profile that the project has now."""
    project = await session.get(Project, event.project)
    if project is None or open_for_transfers(project, today()):
        return []
    asked: list[Event] = []
    studies = await _next(session, event)
    await hold(session, *studies)
    for assignment in await _meant(session, event.project, studies):
        if await leaving(session, assignment.study_instance_uid, event.project):
            continue
        if not await _asked(session, assignment, event) and (parts := await _parts(session, assignment, event)):
            reason = f"resend {event.correction}"
            asked += await request(
                session, assignment, project.destinations, parts, reason, correction=event.correction
            )
    if len(studies) == BATCH:
        asked.append(event.model_copy(update={"after": studies[-1]}))
    return asked


def _sendable(project: str) -> ColumnElement[bool]:
    return and_(Assignment.project == project, Assignment.in_force, Assignment.waits_for.is_(None))


async def _meant(session: AsyncSession, project: str, studies: Sequence[str]) -> Sequence[Assignment]:
    """What these studies, which the caller holds, are assigned to by now: somebody may just have corrected one."""
    mine = _sendable(project), Assignment.study_instance_uid.in_(studies)
    return (await session.scalars(select(Assignment).where(*mine).order_by(Assignment.study_instance_uid))).all()


async def _next(session: AsyncSession, event: ResendRequested) -> Sequence[str]:
    """The next studies that are meant."""
    query = (
        select(Assignment.study_instance_uid)
        .where(_sendable(event.project), Assignment.study_instance_uid > event.after)
        .order_by(Assignment.study_instance_uid)
        .limit(BATCH)
    )
    of_it = Transfer.assignment == Assignment.id
    if event.transfer is not None:
        query = query.where(exists().where(of_it, Transfer.id == event.transfer))
    elif event.study_instance_uid is not None:
        query = query.where(Assignment.study_instance_uid == event.study_instance_uid)
    elif event.since is not None:
        query = query.where(exists().where(of_it, Transfer.requested_at >= event.since))
    else:
        return []
    return (await session.scalars(query)).all()


async def _asked(session: AsyncSession, assignment: Assignment, event: ResendRequested) -> bool:
    before = select(Transfer.id).where(Transfer.assignment == assignment.id, Transfer.correction == event.correction)
    return await session.scalar(before) is not None


async def _parts(session: AsyncSession, assignment: Assignment, event: ResendRequested) -> list[Part]:
    """What has arrived of the study; of a series, or of what a transfer was asked for, only that."""
    part = Instance.series_instance_uid, Instance.revision
    query = (
        select(*part, func.count())
        .where(Instance.study_instance_uid == assignment.study_instance_uid, Instance.revision.is_not(None))
        .group_by(*part)
        .order_by(*part)
    )
    if event.series_instance_uid is not None:
        query = query.where(Instance.series_instance_uid == event.series_instance_uid)
    if event.transfer is not None:
        query = query.where(
            exists().where(
                TransferPart.transfer == event.transfer,
                TransferPart.series_instance_uid == Instance.series_instance_uid,
                TransferPart.revision == Instance.revision,
            )
        )
    return [(series, revision or 0, count) for series, revision, count in await session.execute(query)]
