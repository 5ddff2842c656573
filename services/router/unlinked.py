"""What an anonymous project is made of: its participants, assignments and transfers begin where de-identification
has ended, so that they are sent and counted as any others."""

from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import SeriesAnonymized, StudyUnlinked
from shared.registry.participants import ensure_participant
from shared.tables import Assignment, Transfer, TransferPart
from shared.tables.base import new_id, now

REASON = "unlinked"
PROFILE = "anonymous"


async def take_over(session: AsyncSession, event: StudyUnlinked) -> list[SeriesAnonymized]:
    """Keep a study whose identifiers are new as its project's, and let its series be sent."""
    if await session.get(Transfer, event.transfer) is not None:
        return []
    await ensure_participant(session, event.project, event.participant, origin="auto")
    assignment = Assignment(
        id=new_id(),
        study_instance_uid=event.target_study_instance_uid,
        project=event.project,
        participant=event.participant,
        event=event.event,
        reason=REASON,
    )
    session.add(assignment)
    await session.flush()
    transfer = Transfer(
        id=event.transfer,
        assignment=assignment.id,
        study_instance_uid=event.target_study_instance_uid,
        project=event.project,
        participant=event.participant,
        event=event.event,
        destinations=list(event.destinations),
        reason=REASON,
        profile=PROFILE,
        instances=sum(series.instances for series in event.series),
    )
    session.add(transfer)
    await session.flush()
    if not event.destinations:
        transfer.state, transfer.error, transfer.finished_at = "failed", "the project has no destination", now()
    # Without a destination there is nobody to wait for, but what was made is still the project's.
    for destination in event.destinations or ("",):
        session.add_all(
            TransferPart(
                transfer=transfer.id,
                assignment=assignment.id,
                series_instance_uid=series.series_instance_uid,
                revision=1,
                destination=destination,
                instances=series.instances,
                anonymized=series.instances,
            )
            for series in event.series
        )
    transfer.anonymized = transfer.instances
    if not event.destinations:
        return []
    return [
        SeriesAnonymized(
            transfer=transfer.id,
            parts=len(event.series),
            destinations=event.destinations,
            project=event.project,
            series_instance_uid=series.series_instance_uid,
            revision=1,
            target_study_instance_uid=event.target_study_instance_uid,
            manifest=series.manifest,
            instances=series.instances,
            quarantined=0,
        )
        for series in event.series
    ]
