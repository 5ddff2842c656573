"""What a coupling list finds a study by: keyed hashes as the catalogue has them, the studies that they name, and that
an entry is in force, or has found one."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.tables import CouplingEntry, PatientIdentity, Study

T = TypeVar("T")
AT_ONCE = 500
"""Keys of one statement."""


def accession_key(vault: Vault, number: str) -> str:
    """As `studies.accession_hash`."""
    return vault.hash("accession", number)


def patient_id_key(vault: Vault, patient_id: str) -> str:
    """As `patient_identities.patient_id_hash`: of whoever has that PatientID."""
    return vault.hash("patient id", patient_id)


def patient_key(vault: Vault, patient_id: str, issuer: str | None) -> str:
    """As `patients.id` where somebody is named who issued the PatientID."""
    return vault.hash("patient", patient_id, issuer) if issuer else patient_id_key(vault, patient_id)


def in_force(at: datetime) -> ColumnElement[bool]:
    """The entry has not expired."""
    return or_(CouplingEntry.expires_at.is_(None), CouplingEntry.expires_at > at)


async def studies_named(session: AsyncSession, keys: Sequence[str]) -> list[str]:
    """The studies that have arrived and that one of these keys names."""
    patients = select(PatientIdentity.id).where(PatientIdentity.patient_id_hash.in_(keys))
    ways = (
        Study.study_instance_uid.in_(keys),
        Study.accession_hash.in_(keys),
        Study.patient.in_(keys),
        Study.patient.in_(patients),
    )
    named = union(*(select(Study.study_instance_uid).where(Study.arrived_at.is_not(None), way) for way in ways))
    return list(await session.scalars(named))


async def patients_named(session: AsyncSession, vault: Vault, entries: Iterable[CouplingEntry]) -> set[str]:
    """The patients (`patients.id`) of entries that say a PatientID, whether or not they have been examined.

    Without the issuer: whoever was examined under it, unless that were several, and whoever will be without one.
    """
    found = set[str]()
    for entry in entries:
        if entry.patient_hash is None or entry.patient_id is None:
            continue
        if entry.issuer:
            found.add(entry.patient_hash)
            continue
        unsaid = vault.hash("patient", vault.decrypt(entry.patient_id), "")
        same = PatientIdentity.patient_id_hash == entry.patient_hash, PatientIdentity.id != unsaid
        others = set(await session.scalars(select(PatientIdentity.id).where(*same).limit(2)))
        found |= {unsaid, *others} if len(others) < 2 else {unsaid}
    return found


async def note_match(session: AsyncSession, entry: str) -> None:
    """An entry has claimed a study: for whoever writes the assignment that names it, in the same transaction.

    One that has matched before is not locked, nor is one that is not there any more.
    """
    this = CouplingEntry.id == entry, CouplingEntry.matched.is_(False)
    await session.execute(update(CouplingEntry).where(*this).values(matched=True))


def portions(rows: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """So many at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
