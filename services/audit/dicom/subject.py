"""Whose images an entry is about, as far as a collector may know: by UIDs, pseudonyms and keyed hashes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import AuditEntry, Series, Study, Transfer


@dataclass(frozen=True)
class Subject:
    """A study, and who it is of: the project's participant, else the hash by which the catalogue knows a patient."""

    study: str | None = None
    patient: str | None = None
    calling_aet: str | None = None
    called_aet: str | None = None


async def subjects(session: AsyncSession, entries: Sequence[AuditEntry]) -> dict[int, Subject]:
    """By sequence number."""
    by_series = await _named(
        session, Series.series_instance_uid, Series.study_instance_uid, _details(entries, "series_instance_uid")
    )
    by_transfer = await _named(session, Transfer.id, Transfer.study_instance_uid, _details(entries, "transfer"))
    of: dict[int, str] = {}
    for entry in entries:
        series, transfer = entry.details.get("series_instance_uid"), entry.details.get("transfer")
        study = entry.study_instance_uid or by_series.get(series) or by_transfer.get(transfer)
        if study is not None:
            of[entry.sequence] = study
    rows = await session.scalars(select(Study).where(Study.study_instance_uid.in_(set(of.values()))))
    studies = {row.study_instance_uid: row for row in rows}
    return {entry.sequence: _subject(entry, of.get(entry.sequence), studies) for entry in entries}


def _subject(entry: AuditEntry, uid: str | None, studies: dict[str, Study]) -> Subject:
    if uid is None:
        return Subject(patient=entry.participant)
    row = studies.get(uid)
    if row is None:
        return Subject(uid, entry.participant)
    return Subject(uid, entry.participant or row.patient, row.calling_aet, row.called_aet)


def _details(entries: Sequence[AuditEntry], name: str) -> set[str]:
    return {value for entry in entries if isinstance(value := entry.details.get(name), str)}


async def _named(session: AsyncSession, key: object, value: object, wanted: set[str]) -> dict[object, str]:
    if not wanted:
        return {}
    rows = await session.execute(select(key, value).where(key.in_(wanted)))  # type: ignore
    return {row[0]: row[1] for row in rows}
