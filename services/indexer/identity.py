"""Who was examined: encrypted, apart from the catalogue, found again by keyed hash."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import metrics
from services.indexer.headers.image import Identity, Image
from shared.crypto import Vault
from shared.database import insert_new
from shared.log import logger
from shared.registry.coupling import patient_id_key
from shared.tables import Patient, PatientIdentity, Study, StudyIdentity

log = logger("indexer")
HASHED_AT_ONCE = 1000


def patient_key(vault: Vault, identity: Identity, study_uid: str) -> str:
    """The patient's id in the catalogue. Without a PatientID nobody is the same as anybody else, so each study
    without one has a patient of its own."""
    if identity.patient_id:
        return vault.hash("patient", identity.patient_id, identity.issuer)
    return vault.hash("patient", "", identity.issuer, study_uid)


def patient_id_hash(vault: Vault, patient_id: str) -> str:
    """What a patient is searched by, whoever issued the PatientID; empty when there is none."""
    return patient_id_key(vault, patient_id) if patient_id.strip() else ""


async def keep_identity(session: AsyncSession, study_uid: str, image: Image, vault: Vault, now: datetime) -> str:
    """Make sure that patient and study have their identities; the id of the study's patient.

    The first that said who it is keeps the study; a later one that says otherwise is counted and logged.
    """
    identity = image.identity
    patient = patient_key(vault, identity, study_uid)
    study = await session.get(Study, study_uid)
    if study is not None and study.patient != patient:
        if study.patient != patient_key(vault, Identity(issuer=identity.issuer), study_uid) and (
            study.patient != patient_key(vault, Identity(), study_uid)
        ):
            if image.readable and identity.patient_id:
                metrics.MISMATCHES.inc()
                log.warning("study of two patients", study_instance_uid=study_uid)
            return study.patient
        if not identity.patient_id:
            return study.patient
    await insert_new(session, Patient, [{"id": patient, "first_seen_at": now}])
    await insert_new(
        session,
        PatientIdentity,
        [
            {
                "id": patient,
                "patient_id": vault.encrypt(identity.patient_id),
                "patient_id_hash": patient_id_hash(vault, identity.patient_id),
                "patient_name": vault.encrypt(identity.patient_name),
            }
        ],
    )
    row = {
        "accession_number": vault.encrypt(identity.accession_number),
        "details": vault.encrypt(json.dumps(identity.details, ensure_ascii=False)),
    }
    new = await insert_new(session, StudyIdentity, [{"study_instance_uid": study_uid, **row}])
    if not new and study is not None and study.patient != patient:
        # The first header of the study could not be read, or named nobody.
        known = await session.get_one(StudyIdentity, study_uid)
        known.accession_number, known.details = row["accession_number"], row["details"]
    return patient


async def hash_patient_ids(session: AsyncSession, vault: Vault) -> None:
    """Give identities of a time before `patient_id_hash` theirs, some at a time."""
    unhashed = select(PatientIdentity).where(PatientIdentity.patient_id_hash.is_(None)).limit(HASHED_AT_ONCE)
    for row in (await session.scalars(unhashed)).all():
        row.patient_id_hash = patient_id_hash(vault, vault.decrypt(row.patient_id))
