"""Identities go when their time is over, and no sooner, and no others."""

import json
from datetime import timedelta

from sqlalchemy import select

from services.audit.handlers import note
from services.indexer.clock import Clock
from services.indexer.leaving.forgetting import forget
from services.indexer.settings import IndexerSettings
from shared.crypto import Vault
from shared.database import Database
from shared.events import IdentitiesRemoved
from shared.store import Store
from shared.tables import Assignment, AuditEntry, Patient, PatientIdentity, Project, Study, StudyIdentity
from shared.tables.base import now

VAULT = Vault(b"a master key for tests only")
OLD = now() - timedelta(days=40)
BOTH = IndexerSettings(unassigned_identity_days=30, archived_identity_days=30)


def study(uid: str, patient: str, **values: object) -> list[object]:
    details = VAULT.encrypt(json.dumps({"PatientID": patient}))
    return [
        Study(**{"study_instance_uid": uid, "patient": patient, "accession_hash": "h", "last_seen_at": OLD, **values}),
        StudyIdentity(study_instance_uid=uid, accession_number=VAULT.encrypt("A"), details=details),
    ]


def patient(name: str) -> list[object]:
    sealed = VAULT.encrypt(name)
    return [Patient(id=name), PatientIdentity(id=name, patient_id=sealed, patient_name=sealed)]


def project(name: str, **values: object) -> Project:
    return Project(**{"name": name, "encrypted_key": b"k", **values})


def assigned(uid: str, to: str, refused: str | None = None) -> Assignment:
    return Assignment(study_instance_uid=uid, project=to, participant="X", event="e", reason="person", refused=refused)


async def ticked(database: Database, store: Store, settings: IndexerSettings) -> list[IdentitiesRemoved]:
    async with database.session() as session:
        events = await forget(session, settings, Clock(), VAULT, store)
    return [event for event in events if isinstance(event, IdentitiesRemoved)]


async def left(database: Database) -> tuple[set[str], set[str]]:
    async with database.reading() as session:
        studies = set(await session.scalars(select(StudyIdentity.study_instance_uid)))
        return studies, set(await session.scalars(select(PatientIdentity.id)))


async def test_what_is_due_goes_and_nothing_else(database: Database, store: Store) -> None:
    store.link("participants/P1/20260102_1000", "raw/1.1")
    store.link("participants/P1/20260103_1000", "raw/1.2")
    store.link("participants/P2/20260102_1000", "raw/1.3")
    async with database.session() as session:
        for rows in (
            [*patient("P1"), *patient("P2"), *patient("P3")],
            [project("LIVE1"), project("OVER1", state="archived", archived_at=OLD)],
            [project("OVER2", state="archived", archived_at=now()), project("KEPT1", state="archived")],
            study("1.1", "P1"),  # nobody has assigned it
            study("1.2", "P1", last_seen_at=now()),  # but this one is new
            study("1.3", "P2"),
            study("1.4", "P3"),
            [assigned("1.3", "OVER1"), assigned("1.3", "LIVE1", refused="it is not active")],
            [assigned("1.4", "OVER1"), assigned("1.4", "LIVE1")],
            study("1.5", "P3"),
            study("1.6", "P3"),
            [assigned("1.5", "OVER2"), assigned("1.6", "KEPT1")],
            study("1.7", "P3"),
            [assigned("1.7", "LIVE1", refused="it is not active")],  # as good as not assigned
        ):
            session.add_all(rows)
            await session.flush()
    assert await ticked(database, store, IndexerSettings()) == []
    gone = await ticked(database, store, BOTH)
    assert [(set(event.studies), event.identities, event.reason) for event in gone] == [
        ({"1.1", "1.7"}, 0, "unassigned"),
        ({"1.3"}, 1, "archived"),
    ]
    assert await left(database) == ({"1.2", "1.4", "1.5", "1.6"}, {"P1", "P3"})
    assert sorted(str(path.relative_to(store.root)) for path in (store / "participants").rglob("*")) == [
        "participants/P1",
        "participants/P1/20260103_1000",
    ]
    async with database.reading() as session:
        hashes = await session.execute(select(Study.study_instance_uid, Study.accession_hash))
        assert {uid for uid, found in hashes if found is None} == {"1.1", "1.3", "1.7"}
    assert await ticked(database, store, BOTH) == []


async def test_the_audit_has_an_entry_of_each(sqlite: Database) -> None:
    async with sqlite.session() as session:
        await note(IdentitiesRemoved(studies=("1.1", "1.2"), identities=1, reason="archived"), session, VAULT)
    async with sqlite.reading() as session:
        rows = (await session.scalars(select(AuditEntry).order_by(AuditEntry.sequence))).all()
    assert [(row.operation, row.study_instance_uid, row.details) for row in rows] == [
        ("identity_removed", "1.1", {"identities": 1, "reason": "archived"}),
        ("identity_removed", "1.2", {"identities": 1, "reason": "archived"}),
    ]
