"""What the catalogue says of a study and its series: what their images say, and how many rows there are."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer.headers.image import Image
from services.indexer.identity import keep_identity
from services.indexer.merge import Types, catalogued, merge_fields, merge_types
from services.indexer.rows import insert_missing
from shared.crypto import Vault
from shared.database import insert_new
from shared.events import InstancesReceived
from shared.tables import Instance, InstanceConflict, Series, Study

UNREADABLE = "unreadable"
"""The key of `series.header` under which the instances stand whose header could not be read."""
UNREADABLE_LIMIT = 100
_FIELD = {"modality": "Modality", "series_number": "SeriesNumber", "description": "SeriesDescription"}


async def study_of(
    session: AsyncSession, event: InstancesReceived, images: Sequence[Image], vault: Vault, now: datetime
) -> Study:
    """The study of the images, made if it is new; what it did not know yet it is told by the first that can be read."""
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


async def series_of(session: AsyncSession, images: Sequence[Image], now: datetime) -> dict[str, Series]:
    """The series of the images by UID, made where they are new."""
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


async def refresh_series(session: AsyncSession, series: Series, images: Sequence[Image], now: datetime) -> None:
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


async def refresh_study(session: AsyncSession, study: Study, now: datetime) -> None:
    """Count its series and instances; one with an open series has not arrived."""
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


async def count_conflicts(session: AsyncSession, study_uid: str) -> None:
    """Files of the study that the catalogue has not taken."""
    study = await session.get(Study, study_uid)
    if study is not None:
        query = select(func.count()).where(InstanceConflict.study_instance_uid == study_uid)
        study.conflict_count = (await session.execute(query)).scalar_one()


def _cut(image: Image, name: str, limit: int) -> str | None:
    value = image.fields.get(name)
    text = str(value[0]) if isinstance(value, list) and value else value
    return text[:limit] if isinstance(text, str) and text else None
