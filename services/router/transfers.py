"""From an assignment to transfers: what has arrived and was not yet asked for makes a new one."""

import uuid
from collections.abc import Iterable

from sqlalchemy import and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import TransferRequested
from shared.tables import Assignment, Instance, Project, Transfer, TransferPart
from shared.tables.base import now

MORE_SERIES = "more series"


async def request_missing(session: AsyncSession, assignment: Assignment, reason: str) -> list[TransferRequested]:
    """Ask for all arrived series (revisions) of the study that no transfer of this assignment covers.

    The caller holds the study's lock, so that two callers never ask for the same part.
    """
    parts = await _missing_parts(session, assignment)
    if not parts:
        return []
    project = await session.get_one(Project, assignment.project)
    transfer = Transfer(
        id=str(uuid.uuid4()),
        assignment=assignment.id,
        study_instance_uid=assignment.study_instance_uid,
        project=assignment.project,
        participant=assignment.participant,
        event=assignment.event,
        destinations=project.destinations,
        reason=reason,
        instances=sum(count for _, _, count in parts),
    )
    session.add(transfer)
    await session.flush()
    if not project.destinations:
        transfer.state, transfer.error, transfer.finished_at = (
            "failed",
            "the project has no destination",
            now(),
        )
        return []
    session.add_all(
        TransferPart(
            transfer=transfer.id,
            assignment=assignment.id,
            series_instance_uid=series,
            revision=revision,
            destination=destination,
            instances=count,
        )
        for series, revision, count in parts
        for destination in project.destinations
    )
    return [
        TransferRequested(
            transfer=transfer.id,
            parts=len(parts),
            project=assignment.project,
            participant=assignment.participant,
            event=assignment.event,
            destinations=tuple(project.destinations),
            profile=project.profile,
            study_instance_uid=assignment.study_instance_uid,
            series_instance_uid=series,
            revision=revision,
            instances=count,
        )
        for series, revision, count in parts
    ]


async def _missing_parts(session: AsyncSession, assignment: Assignment) -> list[tuple[str, int, int]]:
    """(SeriesInstanceUID, revision, instances) that have arrived and are in no transfer of the assignment."""
    covered = exists().where(
        and_(
            TransferPart.assignment == assignment.id,
            TransferPart.series_instance_uid == Instance.series_instance_uid,
            TransferPart.revision == Instance.revision,
        )
    )
    query = (
        select(Instance.series_instance_uid, Instance.revision, func.count())
        .where(
            Instance.study_instance_uid == assignment.study_instance_uid,
            Instance.revision.is_not(None),
            ~covered,
        )
        .group_by(Instance.series_instance_uid, Instance.revision)
        .order_by(Instance.series_instance_uid, Instance.revision)
    )
    return [(series, revision or 0, count) for series, revision, count in await session.execute(query)]


def state(parts: Iterable[TransferPart]) -> str:
    """How far a transfer has come, before it is completed or failed."""
    parts = list(parts)
    if any(part.delivered is not None for part in parts):
        return "verifying" if all(part.delivered is not None for part in parts) else "sending"
    anonymized = [part.anonymized is not None for part in parts]
    if all(anonymized):
        return "sending"
    return "anonymizing" if any(anonymized) else "requested"
