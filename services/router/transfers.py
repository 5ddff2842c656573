"""From an assignment to transfers: what has arrived and was not yet asked for makes a new one, and so does a review."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import TransferRequested
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, Instance, Project, ProjectProfile, Transfer, TransferPart
from shared.tables.base import now

MORE_SERIES = "more series"
SUMMED = ("anonymized", "quarantined", "delivered", "refused")
"""What a transfer counts as its parts do."""

Part = tuple[str, int, int]
"""SeriesInstanceUID, revision, and how many instances of it are asked for."""


async def request_missing(session: AsyncSession, assignment: Assignment, reason: str) -> list[TransferRequested]:
    """Ask for all arrived series (revisions) of the study that no transfer of this assignment covers.

    The caller holds the study's lock, so that two callers never ask for the same part. While the project takes no
    studies they wait, and while the
    assignment waits for a withdrawal.
    """
    if assignment.waits_for is not None:
        return []
    parts = await _missing_parts(session, assignment)
    project = await session.get_one(Project, assignment.project)
    if not parts or open_for_transfers(project, today()):
        return []
    return await request(session, assignment, project.destinations, parts, reason)


async def request(
    session: AsyncSession,
    assignment: Assignment,
    destinations: Sequence[str],
    parts: Sequence[Part],
    reason: str,
    review: str | None = None,
    correction: str | None = None,
) -> list[TransferRequested]:
    """Make a transfer of these parts, by the profile that the project has now."""
    name, version = await _profile(session, assignment.project)
    transfer = Transfer(
        id=str(uuid.uuid4()),
        assignment=assignment.id,
        study_instance_uid=assignment.study_instance_uid,
        project=assignment.project,
        participant=assignment.participant,
        event=assignment.event,
        destinations=list(destinations),
        reason=reason,
        review=review,
        correction=correction,
        profile=name,
        profile_version=str(version) if version else "",
        instances=sum(count for _, _, count in parts),
    )
    session.add(transfer)
    await session.flush()
    if not destinations:
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
        for destination in destinations
    )
    return [
        TransferRequested(
            transfer=transfer.id,
            parts=len(parts),
            project=assignment.project,
            participant=assignment.participant,
            event=assignment.event,
            destinations=tuple(destinations),
            profile=name,
            profile_version=version,
            study_instance_uid=assignment.study_instance_uid,
            series_instance_uid=series,
            revision=revision,
            instances=count,
            review=review,
        )
        for series, revision, count in parts
    ]


async def _profile(session: AsyncSession, project: str) -> tuple[str, int]:
    """Name and version of the latest profile of its own that a project has; else of a built-in one, as version 0."""
    latest = (
        select(ProjectProfile.name, ProjectProfile.version)
        .where(ProjectProfile.project == project)
        .order_by(ProjectProfile.version.desc())
        .limit(1)
    )
    if (own := (await session.execute(latest)).first()) is not None:
        return own[0], own[1]
    return (await session.get_one(Project, project)).profile, 0


def not_asked_for(assignment: Assignment | type[Assignment]) -> ColumnElement[bool]:
    """An instance of its study has arrived and is in no transfer of it: of one assignment, or of those of a query."""
    asked_for = exists().where(
        TransferPart.assignment == assignment.id,
        TransferPart.series_instance_uid == Instance.series_instance_uid,
        TransferPart.revision == Instance.revision,
    )
    here = Instance.study_instance_uid == assignment.study_instance_uid
    return and_(here, Instance.revision.is_not(None), ~asked_for)


async def _missing_parts(session: AsyncSession, assignment: Assignment) -> list[Part]:
    """What has arrived and is in no transfer of the assignment."""
    query = (
        select(Instance.series_instance_uid, Instance.revision, func.count())
        .where(not_asked_for(assignment))
        .group_by(Instance.series_instance_uid, Instance.revision)
        .order_by(Instance.series_instance_uid, Instance.revision)
    )
    return [(series, revision or 0, count) for series, revision, count in await session.execute(query)]


def state(parts: Iterable[TransferPart]) -> str:
    """How far a transfer has come, before it is completed or failed."""
    if any(part.delivered is not None for part in parts):
        return "verifying" if all(part.delivered is not None for part in parts) else "sending"
    anonymized = [part.anonymized is not None for part in parts]
    if all(anonymized):
        return "sending"
    return "anonymizing" if any(anonymized) else "requested"


def sum_up(transfer: Transfer, parts: Sequence[TransferPart]) -> None:
    """Have the transfer say what its parts do: of several destinations, the one with least delivered, most refused."""
    parts = list(parts)
    transfer.left_out = _left_out(parts)
    there: dict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        there[part.destination].update({name: getattr(part, name) or 0 for name in SUMMED})
    least = min(there.values(), key=lambda sums: (sums["delivered"], -sums["refused"]), default=Counter[str]())
    for name in SUMMED:
        setattr(transfer, name, least[name])


def _left_out(parts: Iterable[TransferPart]) -> int:
    """How many instances the profile leaves out, each counted once however many destinations there are."""
    return sum({(part.series_instance_uid, part.revision): part.left_out for part in parts}.values())
