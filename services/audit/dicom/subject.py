"""Whose images an entry is about, as far as a collector may know: by UIDs, pseudonyms and keyed hashes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import AuditEntry, Study


@dataclass(frozen=True)
class Subject:
    """A study, and who it is of: the project's participant, else the hash by which the catalogue knows a patient."""

    study: str | None = None
    patient: str | None = None
    calling_aet: str | None = None
    called_aet: str | None = None


async def subjects(session: AsyncSession, entries: Sequence[AuditEntry]) -> dict[int, Subject]:
    """By sequence number."""
    wanted = {entry.study_instance_uid for entry in entries if entry.study_instance_uid}
    rows = await session.scalars(select(Study).where(Study.study_instance_uid.in_(wanted)))
    studies = {row.study_instance_uid: row for row in rows}
    return {entry.sequence: _subject(entry, studies) for entry in entries}


def _subject(entry: AuditEntry, studies: dict[str, Study]) -> Subject:
    uid = entry.study_instance_uid
    row = studies.get(uid) if uid else None
    if row is None:
        return Subject(uid, entry.participant)
    return Subject(uid, entry.participant or row.patient, row.calling_aet, row.called_aet)
