"""Writes one study's part of a batch into the catalogue: the same rows however often and in whichever order.

The caller holds the study's lock. Every count is that of rows.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import summaries
from services.indexer.headers.image import Image
from services.indexer.rows import insert_missing
from shared.crypto import Vault
from shared.events import InstancesReceived
from shared.tables import Instance, InstanceConflict, Series, Study

IN_ONE_STATEMENT = 1000

FLAGGED = "other bytes are already kept under this SOP Instance UID"
ELSEWHERE = "its SOP Instance UID belongs to another series"
FOREIGN_SERIES = "its Series Instance UID belongs to another study"


@dataclass
class Outcome:
    """What became of the images of a batch."""

    kept: list[Image] = field(default_factory=list)
    """Catalogued, now or before."""
    before: set[str] = field(default_factory=set)
    """SOP Instance UIDs that were catalogued already."""
    new: int = 0
    conflicts: dict[str, str] = field(default_factory=dict)
    """Path -> reason."""
    types: dict[str, list[str]] = field(default_factory=dict)
    """Series -> its types."""


async def write(
    session: AsyncSession, event: InstancesReceived, images: Sequence[Image], vault: Vault, now: datetime
) -> Outcome:
    """Write images that are all of one study."""
    outcome = Outcome()
    study_uid = images[0].instance.study_instance_uid
    candidates = await _sort_out(session, study_uid, images, outcome)
    outcome.new = sum(image.instance.sop_instance_uid not in outcome.before for image in candidates)
    if candidates:
        study = await summaries.study_of(session, event, candidates, vault, now)
        series = await summaries.series_of(session, candidates, now)
        await insert_missing(session, Instance, [_instance_row(event, each, now) for each in candidates])
        # Another study's batch may have taken a SOP Instance UID in the meantime.
        kept = await _kept_paths(session, candidates)
        await _come_again(session, study, candidates)
        for image in candidates:
            if image.instance.path in kept:
                outcome.kept.append(image)
            else:
                outcome.conflicts[image.instance.path] = ELSEWHERE
        for uid, row in series.items():
            await summaries.refresh_series(
                session, row, [i for i in outcome.kept if i.instance.series_instance_uid == uid], now
            )
            outcome.types[uid] = row.classify_types
        await session.flush()
        await summaries.refresh_study(session, study, now)
    await insert_missing(session, InstanceConflict, list(_conflict_rows(event, images, outcome.conflicts, now)))
    await summaries.count_conflicts(session, study_uid)
    return outcome


async def _sort_out(session: AsyncSession, study_uid: str, images: Iterable[Image], outcome: Outcome) -> list[Image]:
    """The images that may be catalogued; the others go to the conflicts with their reason."""
    by_path = {image.instance.path: image for image in images}
    known = await _paths(session, {image.instance.sop_instance_uid for image in by_path.values()})
    outcome.before = set(known)
    owners = await _owners(session, {image.instance.series_instance_uid for image in by_path.values()})
    candidates: dict[str, Image] = {}
    for path, image in sorted(by_path.items()):
        sop, series = image.instance.sop_instance_uid, image.instance.series_instance_uid
        if image.instance.conflict:
            outcome.conflicts[path] = FLAGGED
        elif known.get(sop, (path, series)) != (path, series) or sop in candidates:
            outcome.conflicts[path] = ELSEWHERE
        elif owners.get(series, study_uid) != study_uid:
            outcome.conflicts[path] = FOREIGN_SERIES
        else:
            candidates[sop] = image
    return list(candidates.values())


def _portions(values: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), IN_ONE_STATEMENT):
        yield ordered[start : start + IN_ONE_STATEMENT]


async def _paths(session: AsyncSession, sops: Collection[str]) -> dict[str, tuple[str, str]]:
    """SOP Instance UID -> path and series, of those that are catalogued."""
    found: dict[str, tuple[str, str]] = {}
    for portion in _portions(sops):
        query = select(Instance.sop_instance_uid, Instance.path, Instance.series_instance_uid).where(
            Instance.sop_instance_uid.in_(portion)
        )
        found |= {sop: (path, series) for sop, path, series in (await session.execute(query))}
    return found


async def _kept_paths(session: AsyncSession, images: Sequence[Image]) -> set[str]:
    return {path for path, _ in (await _paths(session, {each.instance.sop_instance_uid for each in images})).values()}


async def _come_again(session: AsyncSession, study: Study, images: Sequence[Image]) -> None:
    """Files that had left the archive are there again; the instances count as they did before."""
    here = {image.instance.sop_instance_uid: image.instance for image in images}
    for portion in _portions(here):
        gone = Instance.sop_instance_uid.in_(portion), Instance.removed_at.is_not(None)
        for row in await session.scalars(select(Instance).where(*gone)):
            if row.path == here[row.sop_instance_uid].path:
                row.removed_at = row.removed_by = study.removed_at = None
                row.size, row.transfer_syntax_uid = (
                    here[row.sop_instance_uid].size,
                    here[row.sop_instance_uid].transfer_syntax_uid,
                )


async def _owners(session: AsyncSession, series: Collection[str]) -> dict[str, str]:
    """Series Instance UID -> the study that it is catalogued in."""
    found: dict[str, str] = {}
    for portion in _portions(series):
        query = select(Series.series_instance_uid, Series.study_instance_uid).where(
            Series.series_instance_uid.in_(portion)
        )
        found |= dict((await session.execute(query)).all())
    return found


def _instance_row(event: InstancesReceived, image: Image, now: datetime) -> dict[str, Any]:
    instance = image.instance
    return {
        "sop_instance_uid": instance.sop_instance_uid,
        "series_instance_uid": instance.series_instance_uid,
        "study_instance_uid": instance.study_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "path": instance.path,
        "size": instance.size,
        "association": event.association,
        "received_at": now,
    }


def _conflict_rows(
    event: InstancesReceived, images: Iterable[Image], conflicts: dict[str, str], now: datetime
) -> Iterator[dict[str, Any]]:
    instances = {image.instance.path: image.instance for image in images}
    for path, reason in conflicts.items():
        yield {
            "path": path,
            "sop_instance_uid": instances[path].sop_instance_uid,
            "study_instance_uid": instances[path].study_instance_uid,
            "series_instance_uid": instances[path].series_instance_uid,
            "association": event.association,
            "reason": reason,
            "received_at": now,
        }
