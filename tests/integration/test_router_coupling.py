"""Coupling entries that are newer than the studies they name, and those that name a patient."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from services.indexer.identity import hash_patient_ids
from services.router import coupling, handlers
from shared.crypto import Vault
from shared.database import Database
from shared.events import CouplingChanged, Event, StudyArrived, StudyCoupled
from shared.handlers import Retry
from shared.store import Store
from shared.tables import Assignment, CouplingEntry, PatientIdentity, Project, Study, StudyIdentity
from shared.tables.base import now

VAULT = Vault(b"k" * 32)
STORE = Store(Path("/nothing/is/here"))
CHANGED = CouplingChanged(project="PROJECT", upload="u", after="")


def of_id(patient_id: str) -> str:
    return VAULT.hash("patient id", patient_id)


async def study(
    database: Database, uid: str, patient_id: str, issuer: str = "", accession: str = "", arrived: bool = True
) -> None:
    """What the indexer writes."""
    patient = VAULT.hash("patient", patient_id, issuer)
    async with database.session() as session:
        if await session.get(PatientIdentity, patient) is None:
            sealed = VAULT.encrypt(patient_id)
            hashed = of_id(patient_id)
            session.add(PatientIdentity(id=patient, patient_id=sealed, patient_id_hash=hashed, patient_name=sealed))
        details = VAULT.encrypt(json.dumps({"PatientID": patient_id}))
        session.add(StudyIdentity(study_instance_uid=uid, accession_number=VAULT.encrypt(accession), details=details))
        session.add(
            Study(
                study_instance_uid=uid,
                patient=patient,
                accession_hash=VAULT.hash("accession", accession) if accession else None,
                arrived_at=now() if arrived else None,
            )
        )


async def couple(database: Database, identity: str, key: str, participant: str = "P1", **fields: str) -> None:
    async with database.session() as session:
        if await session.get(Project, "PROJECT") is None:
            session.add(Project(name="PROJECT", encrypted_key=b"", destinations=[]))
            await session.flush()
        session.add(
            CouplingEntry(id=identity, project="PROJECT", key=key, participant=participant, upload="u", **fields)
        )


async def change(database: Database, event: CouplingChanged = CHANGED) -> list[Event]:
    async with database.session() as session:
        return await handlers.relisted(event, session)


async def assignments(database: Database) -> list[tuple[str, str, str | None]]:
    async with database.reading() as session:
        rows = await session.scalars(select(Assignment).order_by(Assignment.study_instance_uid))
        return [(row.study_instance_uid, row.participant, row.refused) for row in rows]


async def test_studies_that_came_before_the_list_are_looked_at_again(database: Database) -> None:
    await study(database, "1.1", "PAT-1", issuer="HUS")
    await study(database, "1.2", "PAT-1", issuer="HUS", accession="ACC2")
    await study(database, "1.3", "PAT-3", accession="ACC3")
    await study(database, "1.4", "PAT-4", arrived=False)
    await study(database, "1.5", "PAT-5")
    await couple(database, "a", VAULT.hash("accession", "ACC3"), "P3", accession_hash=VAULT.hash("accession", "ACC3"))
    await couple(database, "b", of_id("PAT-1"), "P1", patient_hash=of_id("PAT-1"))
    await couple(database, "c", "1.4", "P4", study_instance_uid="1.4")
    found = await change(database)
    assert [each.study_instance_uid for each in found if isinstance(each, StudyCoupled)] == ["1.1", "1.2", "1.3"]
    assert len(found) == 3
    for event in found:
        assert isinstance(event, StudyCoupled)
        for _ in range(2):
            async with database.session() as session:
                await handlers.coupled(event, session, VAULT, STORE)
    assert await assignments(database) == [("1.1", "P1", None), ("1.2", "P1", None), ("1.3", "P3", None)]


async def test_a_long_list_is_looked_at_some_entries_at_a_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coupling, "AT_ONCE", 2)
    for number in range(5):
        await study(database, f"1.{number}", f"PAT-{number}")
        await couple(database, f"e{number}", of_id(f"PAT-{number}"), patient_hash=of_id(f"PAT-{number}"))
    found, event = [], CHANGED
    for _ in range(3):
        some = await change(database, event)
        found += [each.study_instance_uid for each in some if isinstance(each, StudyCoupled)]
        event = next((each for each in some if isinstance(each, CouplingChanged)), event)
    assert found == [f"1.{number}" for number in range(5)]
    assert (event.after, await change(database, event)) == ("e3", [StudyCoupled(study_instance_uid="1.4", upload="u")])


async def test_an_entry_of_an_issuer_is_exact_and_one_without_is_not_guessed(database: Database) -> None:
    await study(database, "1.1", "PAT-1", issuer="HUS")
    await study(database, "1.2", "PAT-1")
    await couple(database, "a", of_id("PAT-1"), patient_hash=of_id("PAT-1"))
    for uid in ("1.1", "1.2"):
        await _arrive(database, uid)
    assert await assignments(database) == [("1.1", "P1", None), ("1.2", "P1", None)], "who names no issuer is no other"
    await study(database, "1.3", "PAT-1", issuer="OUS")
    await _arrive(database, "1.3")
    (refused,) = [row for row in await assignments(database) if row[0] == "1.3"]
    assert refused[1] == ""
    assert "several issuers" in str(refused[2])
    exact = VAULT.hash("patient", "PAT-2", "OUS")
    await couple(database, "b", exact, "P2", patient_hash=exact)
    await study(database, "1.4", "PAT-2", issuer="OUS")
    await study(database, "1.5", "PAT-2", issuer="HUS")
    for uid in ("1.4", "1.5"):
        await _arrive(database, uid)
    assert [row for row in await assignments(database) if row[0] > "1.3"] == [("1.4", "P2", None)]


async def test_a_list_waits_until_the_catalogue_can_be_asked(database: Database) -> None:
    async with database.session() as session:
        session.add(PatientIdentity(id="x", patient_id=VAULT.encrypt("PAT-1"), patient_name=b""))
        session.add(PatientIdentity(id="y", patient_id=VAULT.encrypt(""), patient_name=b""))
    with pytest.raises(Retry):
        await change(database)
    async with database.session() as session:
        await hash_patient_ids(session, VAULT)
    assert await change(database) == []
    async with database.reading() as session:
        hashes = await session.scalars(select(PatientIdentity.patient_id_hash).order_by(PatientIdentity.id))
        assert hashes.all() == [of_id("PAT-1"), ""]


async def _arrive(database: Database, uid: str) -> None:
    async with database.session() as session:
        await handlers.match(StudyArrived(study_instance_uid=uid, series=1, instances=1), session, VAULT, STORE)
