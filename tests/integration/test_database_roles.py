"""A role without rights on identities cannot read them, and the services that need none run with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import ProgrammingError

from services.__main__ import load
from shared.audit import Record, spool
from shared.bus import Message
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database, DatabaseUnavailable
from shared.events import TransferFailed
from shared.keys import settle_hash_key
from shared.migrations.grants import GROUP
from shared.service import run
from shared.settings import Settings
from shared.store import Store
from shared.tables import AuditEntry, CouplingEntry, PatientIdentity, StudyIdentity
from tests.components.postgres import PostgreSQL

NEED_NONE = ("anonymizer", "sender", "audit")
KEY = "a master key for tests only"


@pytest.fixture
def plain_url(postgres: PostgreSQL, postgres_database: str) -> str:
    """The same database, as a user of the group."""
    for role in (f"{GROUP} NOLOGIN", f"fiona_services LOGIN IN ROLE {GROUP}"):
        with suppress(Exception):  # a test before may have made it
            postgres.sql(f"CREATE ROLE {role}")
    return make_url(postgres_database).set(username="fiona_services").render_as_string(hide_password=False)


@pytest.fixture
async def owner(plain_url: str, postgres_database: str) -> AsyncIterator[Database]:
    """Everything is there, a patient included."""
    database = Database(postgres_database)
    await database.migrate()
    vault = Vault(KEY.encode())
    await settle_hash_key(database, vault)
    async with database.session() as session:
        session.add(PatientIdentity(id="1", patient_id=vault.encrypt("1"), patient_name=vault.encrypt("Doe^Jane")))
    yield database
    await database.close()


async def test_identities_are_out_of_its_reach(owner: Database, plain_url: str) -> None:
    plain = Database(plain_url)
    await plain.migrate()
    for table in (PatientIdentity, StudyIdentity, CouplingEntry):
        with pytest.raises(ProgrammingError, match="permission denied for schema identity"):
            async with plain.reading() as session:
                await session.execute(select(table))
    for statement in (
        "UPDATE audit_entries SET actor = 'x'",
        "DELETE FROM audit_entries",
        "DROP TRIGGER audit_entries_stay ON audit_entries",
        "CREATE TABLE mine (id integer)",
        "UPDATE alembic_version SET version_num = '0001'",
        f"GRANT USAGE ON SCHEMA identity TO {GROUP}",
        "SET ROLE postgres",
    ):
        with pytest.raises(ProgrammingError, match=r"permission denied|must be owner|neither changed"):
            async with plain.session() as session:
                await session.execute(text(statement))
    await plain.close()


async def test_it_waits_for_somebody_else_to_bring_the_schema(plain_url: str, postgres_database: str) -> None:
    plain, owner = Database(plain_url), Database(postgres_database)
    with pytest.raises(DatabaseUnavailable, match="may see identities"):
        await plain.migrate()
    await owner.migrate()
    await plain.migrate()
    assert plain.migrated
    await plain.close()
    await owner.close()


async def test_a_group_without_rights_gets_them_from_a_service_that_leaves_the_schema_alone(
    plain_url: str, postgres_database: str
) -> None:
    """As after a dump was put back without them: FIONA_MIGRATE=false, and the schema is of this version already."""
    owner, plain = Database(postgres_database), Database(plain_url)
    await owner.migrate()
    async with owner.session() as session:
        for statement in ("ALL TABLES IN SCHEMA public", "ALL SEQUENCES IN SCHEMA public", "SCHEMA public"):
            await session.execute(text(f"REVOKE ALL ON {statement} FROM {GROUP}"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        await plain.migrate(only_look=True)
    service = Database(postgres_database)
    await service.migrate(only_look=True)
    await plain.migrate(only_look=True)
    assert await operations(plain) == set()
    for database in (owner, plain, service):
        await database.close()


async def test_services_that_need_no_identities_run_with_it(owner: Database, plain_url: str, tmp_path: Path) -> None:
    store, stop = Store(tmp_path / "data"), asyncio.Event()
    settings = Settings(data=store.root, database_url=SecretStr(plain_url), secret_key=SecretStr(KEY))
    spool.write(store, [Record(operation="show_study", outcome="done")])
    running = asyncio.create_task(run([load(name) for name in NEED_NONE], settings, stop, signals=False))
    await EmbeddedBus(owner).publish([Message.of(TransferFailed(transfer="t", reason="refused", refused=1))])
    async with asyncio.timeout(60):
        while {"show_study", "transfer_failed"} - await operations(owner):
            await asyncio.sleep(0.1)
        stop.set()
        await running


async def test_the_sender_has_no_master_key_and_makes_none(owner: Database, plain_url: str, tmp_path: Path) -> None:
    stop = asyncio.Event()
    settings = Settings(data=tmp_path / "data", database_url=SecretStr(plain_url))
    running = asyncio.create_task(run([load("sender")], settings, stop, signals=False))
    async with asyncio.timeout(60):
        while not list((tmp_path / "data/audit/spool").glob("*.jsonl")):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        stop.set()
        await running
    assert not (tmp_path / "data/secret.key").exists()


async def operations(database: Database) -> set[str]:
    async with database.reading() as session:
        return set(await session.scalars(select(AuditEntry.operation)))
