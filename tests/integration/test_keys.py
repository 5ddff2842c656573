"""The master key changes: nothing is lost, patients are found by the same hash, and a wrong key stops the start."""

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import LargeBinary, select, update

from shared import rekey
from shared.audit import spool
from shared.crypto import Vault
from shared.database import Database
from shared.keys import WrongKey, settle_hash_key
from shared.rekey import SEALED
from shared.settings import Settings
from shared.store import Store
from shared.tables import (
    Account,
    AttributeMark,
    Base,
    BusMessage,
    Correction,
    CouplingEntry,
    OutboxEntry,
    PatientIdentity,
    Project,
    PublishedMessage,
    QuarantineReview,
    StudyIdentity,
    VaultKey,
    WebSession,
    WithdrawalNote,
)
from shared.tables.base import now

OLD, NEW = b"o" * 32, b"n" * 32
PATIENTS = 7


@pytest.fixture
async def filled(database: Database, store: Store) -> Database:
    """One row at least in every table with sealed values, and a sealed file, as the old key left them."""
    vault = Vault(OLD)
    await settle_hash_key(database, vault)
    sealed = vault.encrypt
    async with database.session() as session:
        session.add(Project(name="PROJECT", encrypted_key=sealed("key")))
        await session.flush()
        session.add_all(
            PatientIdentity(id=vault.hash("patient", str(n)), patient_id=sealed(str(n)), patient_name=sealed("Doe"))
            for n in range(PATIENTS)
        )
        session.add(StudyIdentity(study_instance_uid="1.2", accession_number=sealed("ACC"), details=sealed("{}")))
        session.add(CouplingEntry(id="c1", project="PROJECT", participant="P", accession_number=sealed("ACC")))
        session.add(CouplingEntry(id="c2", project="PROJECT", participant="P", study_instance_uid="1.2"))
        session.add(
            QuarantineReview(
                id="r", transfer="t", project="PROJECT", decision="drop", reason=sealed("why"), reviewer="R"
            )
        )
        for path in ("(0008,1030)", "(0008,103E)"):
            session.add(AttributeMark(project="PROJECT", path=path, verdict="fine", reviewer="R", reason=sealed("why")))
        session.add(Correction(id="c", kind="cancel", project="PROJECT", reason=sealed("why")))
        session.add(Account(login="kari", origin="oidc", subject="feide:77"))
        await session.flush()
        session.add(WebSession(digest="d" * 64, account="kari", expires_at=now(), refresh=sealed("refresh token")))
        session.add(WithdrawalNote(withdrawal="w", transfer="t", destination="d", note=sealed("note")))
    store.write("review/t/1.2.3/1/2.25.1.sealed", sealed("text"))
    return database


async def sealed_values(database: Database) -> list[bytes]:
    async with database.reading() as session:
        found = [
            value
            for table, columns in SEALED.items()
            for row in await session.execute(select(*(getattr(table, name) for name in columns)))
            for value in row
        ]
    return [value for value in found if value is not None]


def test_every_sealed_column_is_known() -> None:
    not_sealed = {(BusMessage, "content"), (OutboxEntry, "content"), (PublishedMessage, "content")}
    binary = {
        (mapper.class_, attribute.key)
        for mapper in Base.registry.mappers
        for attribute in mapper.column_attrs
        if isinstance(attribute.columns[0].type, LargeBinary)
    }
    assert binary == not_sealed | {(table, name) for table, names in SEALED.items() for name in names}


async def test_all_is_sealed_anew_and_the_old_key_may_be_forgotten(
    filled: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekey, "STEP", 2)
    tally = await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    values = await sealed_values(filled)
    assert len(values) == 1 + 1 + 2 * PATIENTS + 2 + 1 + 1 + 2 + 1 + 1 + 1
    assert (tally.seen, tally.renewed, tally.unreadable) == (len(values) + 1, len(values) + 1, 0)
    for value in values:
        Vault(NEW).decrypt_bytes(value)
        with pytest.raises(InvalidTag):
            Vault(OLD).decrypt_bytes(value)
    assert Vault(NEW).decrypt((store / "review/t/1.2.3/1/2.25.1.sealed").read_bytes()) == "text"
    again = await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    assert (again.seen, again.renewed) == (tally.seen, 0)


async def test_a_file_that_goes_meanwhile_is_passed_over(filled: Database, store: Store) -> None:
    (store / "review/t/1.2.3/1/2.25.0.sealed").symlink_to("gone")
    tally = await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    assert (tally.seen, tally.unreadable) == (len(await sealed_values(filled)) + 1, 0)


async def test_interrupted_it_goes_on(filled: Database, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekey, "STEP", 2)
    vault, left = Vault(NEW, [OLD]), [9]
    renewed = vault.renewed

    def interrupted(sealed: bytes) -> bytes | None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return renewed(sealed)

    monkeypatch.setattr(vault, "renewed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        await rekey.rekey(filled, store, vault)
    for value in await sealed_values(filled):
        Vault(NEW, [OLD]).decrypt_bytes(value)
    tally = await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    assert 0 < tally.renewed < tally.seen
    for value in await sealed_values(filled):
        Vault(NEW).decrypt_bytes(value)


async def test_the_hash_outlives_the_master_key(filled: Database, store: Store) -> None:
    await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    vault = Vault(NEW)
    assert vault.hash("patient", "3") != Vault(OLD).hash("patient", "3")
    await settle_hash_key(filled, vault)
    async with filled.reading() as session:
        found = await session.get_one(PatientIdentity, vault.hash("patient", "3"))
    assert vault.decrypt(found.patient_id) == "3"


async def test_a_wrong_key_is_found_at_the_start(filled: Database) -> None:
    with pytest.raises(WrongKey):
        await settle_hash_key(filled, Vault(NEW))
    await settle_hash_key(filled, Vault(NEW, [OLD]))
    async with filled.session() as session:
        await session.delete(await session.get_one(VaultKey, "identity hash"))
    with pytest.raises(WrongKey):
        await settle_hash_key(filled, Vault(NEW))
    async with filled.reading() as session:
        assert await session.get(VaultKey, "identity hash") is None


async def test_what_no_key_opens_is_told(
    filled: Database, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with filled.session() as session:
        await session.execute(update(Project).values(encrypted_key=Vault(b"x" * 16).encrypt("key")))
    tally = await rekey.rekey(filled, store, Vault(NEW, [OLD]))
    assert (tally.unreadable, tally.seen - tally.renewed) == (1, 1)


async def test_first_only_looked_at_then_done_then_looked_at_again(sqlite: Database, tmp_path: Path) -> None:
    await settle_hash_key(sqlite, Vault(OLD))
    settings = Settings(data=tmp_path, secret_key=NEW.decode(), secret_key_old=OLD.decode())
    look = (await rekey.rotate(settings, only_look=True))[1]
    assert (look.seen, look.renewed) == (1, 1)
    assert not (tmp_path / "audit").exists()
    done, left = await rekey.rotate(settings)
    assert (done.seen, done.renewed, left.seen, left.renewed) == (1, 1, 1, 0)
    told = [record for path in spool.waiting(Store(tmp_path), 9) for record in spool.read(path)]
    assert [(each.operation, each.outcome) for each in told] == [("rotate_keys", "asked"), ("rotate_keys", "done")]
    assert told[0].id == told[1].id
