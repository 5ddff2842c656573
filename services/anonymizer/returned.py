"""What comes back under a StudyInstanceUID that was given here: which of its values are pseudonyms already.

The manifests of what the participant's project was sent say so. They outlive the files and the answers to them.
"""

import asyncio
from collections.abc import Iterable

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification import Profile, Subject, moved_day
from shared.database import Database
from shared.events import TransferRequested
from shared.manifest import part_manifest
from shared.store import Store
from shared.tables import Study, Transfer, TransferPart
from shared.transfers import STOPPED

Part = tuple[str, str, int]
"""Transfer, SeriesInstanceUID of the source, and revision."""

NONE: frozenset[str] = frozenset()


async def pseudonyms_of(
    event: TransferRequested, database: Database, store: Store, subject: Subject, profile: Profile
) -> frozenset[str]:
    """Values in a returned study that stay; none when the study is none that was given its UID here."""
    async with database.reading() as session:
        if not await _returned(session, event):
            return NONE
        parts = await _parts(session, event)
        days = [moved_day(subject, profile, day) for day in await _days(session, event)]
    named = await asyncio.to_thread(_named, store, parts)
    return named | {day for day in days if day is not None}


async def _returned(session: AsyncSession, event: TransferRequested) -> bool:
    made = select(Transfer.id).where(
        Transfer.target_study_instance_uid == event.study_instance_uid,
        Transfer.study_instance_uid != event.study_instance_uid,
        Transfer.project == event.project,
    )
    return await session.scalar(made.limit(1)) is not None


def _given(event: TransferRequested) -> tuple[ColumnElement[bool], ...]:
    """Of the participant, and not taken back: an object may refer to earlier studies, and to what was returned."""
    return (
        Transfer.project == event.project,
        Transfer.participant == event.participant,
        Transfer.state.not_in(STOPPED),
        Transfer.id != event.transfer,
    )


async def _parts(session: AsyncSession, event: TransferRequested) -> list[Part]:
    """What the project has been given of the participant."""
    part = TransferPart.transfer, TransferPart.series_instance_uid, TransferPart.revision
    query = select(*part).join(Transfer, Transfer.id == TransferPart.transfer).where(*_given(event)).distinct()
    return [(transfer, series, revision) for transfer, series, revision in await session.execute(query)]


async def _days(session: AsyncSession, event: TransferRequested) -> Iterable[str]:
    """The days of these studies before they moved: manifests of former times name no days."""
    query = select(Study.study_date).join(Transfer, Transfer.study_instance_uid == Study.study_instance_uid)
    sources = Transfer.study_instance_uid != Transfer.target_study_instance_uid
    dates = await session.scalars(query.where(*_given(event), sources, Study.study_date.is_not(None)).distinct())
    return [date for date in dates if date]


def _named(store: Store, parts: Iterable[Part]) -> frozenset[str]:
    found: set[str] = set()
    for part in parts:
        manifest = part_manifest(store, *part)
        if manifest is not None and manifest.instances:
            found |= {manifest.study_instance_uid, manifest.series_instance_uid, *manifest.given}
            found.update(each.sop_instance_uid for each in manifest.instances)
    return frozenset(found)
