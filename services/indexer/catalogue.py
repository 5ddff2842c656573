"""Writes one study's part of a batch into the catalogue: the same rows however often and in whichever order.

The caller holds the study's lock. Every count is that of rows.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer.identity import keep_identity
from services.indexer.image import Image
from services.indexer.merge import Types, catalogued, merge_fields, merge_types
from services.indexer.rows import insert_missing
from shared.crypto import Vault
from shared.database import insert_new
from shared.events import InstancesReceived
from shared.tables import Instance, InstanceConflict, Series, Study

IN_ONE_STATEMENT = 1000
UNREADABLE = "unreadable"
"""The key of `series.header` under which the instances stand whose header could not be read."""
UNREADABLE_LIMIT = 100

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
        study = await _study(session, event, candidates, vault, now)
        series = await _all_series(session, candidates, now)
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
            await _refresh_series(session, row, [i for i in outcome.kept if i.instance.series_instance_uid == uid], now)
            outcome.types[uid] = row.classify_types
        await session.flush()
        await _refresh_study(session, study, now)
    await insert_missing(session, InstanceConflict, list(_conflict_rows(event, images, outcome.conflicts, now)))
    await _count_conflicts(session, study_uid)
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


async def _study(
    session: AsyncSession, event: InstancesReceived, images: Sequence[Image], vault: Vault, now: datetime
) -> Study:
    uid = images[0].instance.study_instance_uid
    first = next((image for image in images if image.readable), images[0])
    patient = await keep_identity(session, uid, first, vault, now)
    accession = first.identity.accession_number
    row = {
        "study_instance_uid": uid,
        "patient": patient,
        "accession_hash": vault.hash("accession", accession) if accession else None,
        "study_date": _cut(first, "StudyDate", 8),
        "study_time": _cut(first, "StudyTime", 16),
        "manufacturer": _cut(first, "Manufacturer", 64),
        "model": _cut(first, "ManufacturerModelName", 64),
        "station_name": _cut(first, "StationName", 16),
        "calling_aet": event.calling_aet[:16],
        "called_aet": event.called_aet[:16],
        "first_seen_at": now,
        "last_seen_at": now,
    }
    await insert_new(session, Study, [row])
    study = await session.get_one(Study, uid)
    if first.readable:
        study.patient = patient
        for name, value in row.items():
            if getattr(study, name) is None:
                setattr(study, name, value)
    modalities = dict.fromkeys((*study.modalities, *(m for image in images if (m := _cut(image, "Modality", 16)))))
    if list(modalities) != study.modalities:
        study.modalities = list(modalities)
    return study


async def _all_series(session: AsyncSession, images: Sequence[Image], now: datetime) -> dict[str, Series]:
    first = {image.instance.series_instance_uid: image for image in reversed(images)}
    rows = [
        {
            "series_instance_uid": uid,
            "study_instance_uid": image.instance.study_instance_uid,
            "sop_class_uid": image.instance.sop_class_uid,
            "last_instance_at": now,
        }
        for uid, image in sorted(first.items())
    ]
    await insert_missing(session, Series, rows)
    query = select(Series).where(Series.series_instance_uid.in_(list(first)))
    return {row.series_instance_uid: row for row in (await session.execute(query)).scalars()}


async def _refresh_series(session: AsyncSession, series: Series, images: Sequence[Image], now: datetime) -> None:
    """Merge what the images say into their series, and count its rows."""
    uid = series.series_instance_uid
    header = merge_fields(series.header, [catalogued(image.fields) for image in images])
    unreadable = {each.instance.sop_instance_uid for each in images if not each.readable}
    if unreadable:
        known = dict.fromkeys((*header.get(UNREADABLE, []), *sorted(unreadable)))
        header[UNREADABLE] = list(known)[:UNREADABLE_LIMIT]
    series.header = header
    series.classify_types, series.refused_types = merge_types(
        Types(series.classify_types, series.refused_types), [(each.types, each.refused) for each in images]
    )
    said = [image.expected for image in images if image.expected is not None]
    series.expected = max([*said, series.expected or 0]) or None
    for name, limit in (("modality", 16), ("series_number", 16), ("description", 128)):
        if getattr(series, name) is None:
            values = (_cut(image, _FIELD[name], limit) for image in images)
            setattr(series, name, next((value for value in values if value), None))
    in_flight = func.count().filter(Instance.revision.is_(None))
    total, open_ = (
        await session.execute(select(func.count(), in_flight).where(Instance.series_instance_uid == uid))
    ).one()
    if total != series.instance_count:
        series.instance_count = total
        series.last_instance_at = now
    if open_ and series.open_since is None:
        series.open_since = now


_FIELD = {"modality": "Modality", "series_number": "SeriesNumber", "description": "SeriesDescription"}


async def _refresh_study(session: AsyncSession, study: Study, now: datetime) -> None:
    uid = study.study_instance_uid
    counts = select(
        func.count(Series.series_instance_uid),
        func.coalesce(func.sum(Series.instance_count), 0),
        func.count(Series.open_since),
    ).where(Series.study_instance_uid == uid)
    study.series_count, study.instance_count, open_ = (await session.execute(counts)).one()
    study.last_seen_at = now
    if open_:
        study.arrived_at = None


async def _count_conflicts(session: AsyncSession, study_uid: str) -> None:
    study = await session.get(Study, study_uid)
    if study is not None:
        query = select(func.count()).where(InstanceConflict.study_instance_uid == study_uid)
        study.conflict_count = (await session.execute(query)).scalar_one()


def _cut(image: Image, name: str, limit: int) -> str | None:
    value = image.fields.get(name)
    text = str(value[0]) if isinstance(value, list) and value else value
    return text[:limit] if isinstance(text, str) and text else None


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
