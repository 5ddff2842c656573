"""Coupling entries that may name a study, and studies that new entries name."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.crypto import Vault
from shared.events import CouplingChanged, Event, StudyCoupled
from shared.handlers import Retry
from shared.registry.coupling import in_force, patient_id_key, studies_named
from shared.registry.matching import Candidate
from shared.tables import CouplingEntry, PatientIdentity, Study
from shared.tables.base import now

AT_ONCE = 500
"""Entries of one event."""


async def entries_for(session: AsyncSession, candidate: Candidate) -> Sequence[CouplingEntry]:
    """Those in force that name the study, its accession number or its patient."""
    keys = [candidate.study_instance_uid, candidate.accession_hash, candidate.patient, candidate.patient_id_hash]
    named = CouplingEntry.key.in_([key for key in keys if key])
    return (await session.scalars(select(CouplingEntry).where(named, in_force(now())))).all()


async def of_patient(session: AsyncSession, vault: Vault, candidate: Candidate) -> Candidate:
    """With what entries know the patient by: `patients.id`, and the PatientID alone with the number of its issuers."""
    if not candidate.patient_id.strip():
        return candidate
    study = await session.get_one(Study, candidate.study_instance_uid)
    hashed = patient_id_key(vault, candidate.patient_id)
    unsaid = vault.hash("patient", candidate.patient_id, "")
    same = PatientIdentity.patient_id_hash == hashed, PatientIdentity.id != unsaid
    issuers = await session.scalar(select(func.count()).select_from(PatientIdentity).where(*same)) or 0
    return replace(candidate, patient=study.patient, patient_id_hash=hashed, issuers=issuers)


async def look_again(session: AsyncSession, event: CouplingChanged) -> list[Event]:
    """The studies that some entries of an upload name, and, when there are more, the event that goes on from there."""
    if await session.scalar(select(PatientIdentity.id).where(PatientIdentity.patient_id_hash.is_(None)).limit(1)):
        raise Retry("the indexer has yet to hash PatientIDs of before", 30)
    mine = CouplingEntry.upload == event.upload, CouplingEntry.id > event.after
    rows = (
        await session.execute(
            select(CouplingEntry.id, CouplingEntry.key).where(*mine).order_by(CouplingEntry.id).limit(AT_ONCE)
        )
    ).all()
    studies = await studies_named(session, [key for _, key in rows])
    found: list[Event] = [StudyCoupled(study_instance_uid=uid, upload=event.upload) for uid in sorted(studies)]
    if len(rows) == AT_ONCE:
        found.append(event.model_copy(update={"after": rows[-1][0]}))
    return found
