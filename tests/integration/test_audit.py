"""The chain on both databases: no gap, nothing changed unseen, nothing lost."""

import asyncio
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.audit.append import append
from services.audit.sealing import Announced, seal
from services.audit.settling import PATIENCE
from shared.audit import Record, Spool, kept
from shared.audit.chain import Link
from shared.audit.head import read_head, write_head
from shared.audit.verify import TRUNCATED, Verdict, verify
from shared.crypto import Vault
from shared.database import Database
from shared.keys import audit_key, begin_audit_key
from shared.store import Store
from shared.tables import Assignment, AuditEntry, Series, Study, Transfer
from shared.tables.base import now

VAULT = Vault(b"a master key for tests only")


async def tick(database: Database, store: Store, times: int = 1) -> None:
    """What the audit service does every second."""
    for _ in range(times):
        async with database.session() as session:
            await seal(session, store, VAULT, Announced())


async def walked(database: Database, after: int = 0, head: Link | None = None) -> Verdict:
    async with database.reading() as session:
        return await verify(session, await audit_key(session, VAULT), after, head=head)


async def entries(database: Database) -> list[AuditEntry]:
    async with database.reading() as session:
        return list(await session.scalars(select(AuditEntry).order_by(AuditEntry.sequence)))


async def tell(store: Store, *operations: str) -> None:
    spool = Spool(store)
    await asyncio.gather(*(spool.keep(Record(operation=each, outcome="done")) for each in operations))


async def _as_somebody_with_the_database(database: Database, statement: str) -> None:
    """Triggers switched off, as whoever owns the database can."""
    async with database.session() as session:
        if database.sqlite:
            for name in ("no_UPDATE", "no_DELETE", "next"):
                await session.execute(text(f"DROP TRIGGER IF EXISTS audit_entries_{name}"))
        else:
            await session.execute(text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
        await session.execute(text(statement))


async def test_many_writers_make_one_chain_without_a_gap(database: Database) -> None:
    async with database.session() as session:
        key = await begin_audit_key(session, VAULT)

    async def writer(name: str) -> None:
        for number in range(5):
            async with database.session() as session:
                await append(session, key, [Record(operation=f"{name}{n}", outcome="done") for n in range(number)])

    await asyncio.gather(*(writer(name) for name in "abcdef"))
    assert [entry.sequence for entry in await entries(database)] == list(range(1, 61))
    verdict = await walked(database)
    assert (verdict.entries, verdict.damage, verdict.complete) == (60, None, True)


async def test_what_is_rolled_back_leaves_no_gap(database: Database) -> None:
    async with database.session() as session:
        await append(session, await begin_audit_key(session, VAULT), [Record(operation="x", outcome="done")])
        await session.rollback()
    async with database.session() as session:
        await append(session, await begin_audit_key(session, VAULT), [Record(operation="y", outcome="done")])
    assert [(entry.sequence, entry.operation) for entry in await entries(database)] == [(1, "y")]


async def test_the_database_itself_refuses_to_change_or_remove(database: Database, store: Store) -> None:
    await tell(store, "a", "b")
    await tick(database, store)
    for statement in (update(AuditEntry).values(actor="x"), delete(AuditEntry)):
        with pytest.raises((DBAPIError, IntegrityError), match="neither changed nor removed"):
            async with database.session() as session:
                await session.execute(statement)
    if database.sqlite:
        with pytest.raises(IntegrityError, match="one after the other"):
            async with database.session() as session:
                await session.execute(text("INSERT OR REPLACE INTO audit_entries SELECT * FROM audit_entries"))
    assert len(await entries(database)) == 2


async def test_what_waits_is_chained_once_and_its_files_go_afterwards(database: Database, store: Store) -> None:
    await tell(store, *"abcdef")
    files = list((store / "audit/spool").iterdir())
    assert 1 <= len(files) < 6  # whoever waits together is written together
    await tick(database, store)
    assert len(await entries(database)) == 6
    # Killed here, the files are still there and add nothing.
    assert list((store / "audit/spool").iterdir()) == files
    await tick(database, store, 2)
    assert list((store / "audit/spool").iterdir()) == []
    assert len(await entries(database)) == 6
    head = read_head(store)
    assert head == (await walked(database, head=head)).last


async def test_a_database_that_is_older_than_the_store_is_told_again_of_what_came_after_it(
    migrated_sqlite: str, migrated_postgres: str, store: Store
) -> None:
    newer, older = Database(migrated_sqlite), Database(migrated_postgres)
    await tell(store, "a", "b")
    await tick(newer, store, 2)
    with (store / f"{kept.FOLDER}/{now().date()}.jsonl").open("ab") as day:
        day.write(b'{"id": "half a li')  # by a process that was killed
    await tell(store, "c")
    await tick(newer, store, 2)
    await tick(older, store, 4)
    told = [entry.operation for entry in await entries(older) if entry.operation != TRUNCATED]
    assert sorted(told) == ["a", "b", "c"]
    assert list((store / "audit/spool").iterdir()) == []
    await newer.close()
    await older.close()


def test_what_was_chained_is_kept_for_a_while_only(store: Store, tmp_path: Path) -> None:
    spool = tmp_path / "spool.jsonl"
    spool.write_text("{}\n")
    day = date(2026, 1, 1)
    for later in (0, 1, kept.KEPT.days, kept.KEPT.days + 1):
        kept.keep(store, [spool], day + timedelta(days=later))
    assert sorted(place.stem for place in (store / kept.FOLDER).iterdir()) == ["2026-01-02", "2026-01-31", "2026-02-01"]


async def test_what_was_asked_by_a_process_that_died_stands_as_unanswered(database: Database, store: Store) -> None:
    spool = Spool(store)
    await spool.keep(Record(operation="a", outcome="asked", at=now() - PATIENCE - timedelta(seconds=1)))
    await spool.keep(Record(operation="b", outcome="asked"))
    await tick(database, store, 2)
    assert [(entry.operation, entry.outcome) for entry in await entries(database)] == [("a", "unanswered")]
    assert len(list((store / "audit/spool").iterdir())) == 1


async def test_what_names_a_transfer_or_a_series_is_said_of_its_project(database: Database, store: Store) -> None:
    whose = {"study_instance_uid": "1.2", "project": "ABCDE", "participant": "X1", "event": "e", "reason": "person"}
    async with database.session() as session:
        session.add(Study(study_instance_uid="1.3", patient="p"))
        session.add(Assignment(id="a", **whose))
        await session.flush()
        session.add(Series(series_instance_uid="1.3.1", study_instance_uid="1.3"))
        session.add(Transfer(id="t", assignment="a", **whose))
    spool = Spool(store)
    await spool.keep(Record(operation="a", outcome="done", details={"transfer": "t"}))
    await spool.keep(Record(operation="b", outcome="done", details={"series_instance_uid": "1.3.1"}))
    await spool.keep(Record(operation="c", outcome="failed", project="OTHER", details={"transfer": "none"}))
    await tick(database, store)
    found = [(entry.project, entry.study_instance_uid, entry.participant) for entry in await entries(database)]
    assert found == [("ABCDE", "1.2", "X1"), (None, "1.3", None), ("OTHER", None, None)]


async def test_what_is_no_record_is_set_aside(database: Database, store: Store) -> None:
    store.write("audit/spool/00000000000000000001-00.jsonl", b"not JSON\n")
    await tell(store, "a")
    await tick(database, store)
    assert [entry.operation for entry in await entries(database)] == ["a"]
    assert [path.suffix for path in sorted((store / "audit/spool").iterdir())] == [".unreadable", ".jsonl"]


@pytest.mark.parametrize(
    ("statement", "broken", "damage"),
    [
        ("UPDATE audit_entries SET actor = 'x' WHERE sequence = 3", 3, "changed"),
        ("DELETE FROM audit_entries WHERE sequence = 3", 4, "removed"),
        ("DELETE FROM audit_entries WHERE sequence > 3", 4, "truncated"),
        ("DELETE FROM audit_entries", 1, "truncated"),
        (
            "INSERT INTO audit_entries SELECT 7, 'x', at, actor, actor_kind, operation, method, outcome, status,"
            " address, project, study_instance_uid, participant, details, correlation, hash, hash"
            " FROM audit_entries WHERE sequence = 6",
            7,
            "inserted",
        ),
    ],
)
async def test_who_owns_the_database_breaks_the_chain_and_is_found(
    database: Database, store: Store, statement: str, broken: int, damage: str
) -> None:
    await tell(store, *"abcdef")
    await tick(database, store, 2)
    head = read_head(store)
    assert (await walked(database, head=head)).damage is None
    await _as_somebody_with_the_database(database, statement)
    found = await walked(database, head=head)
    assert (found.broken, found.damage) == (broken, damage)


async def test_a_chain_that_is_cut_off_says_so_for_good(database: Database, store: Store) -> None:
    await tell(store, *"abc")
    await tick(database, store, 2)
    await _as_somebody_with_the_database(database, "DELETE FROM audit_entries WHERE sequence > 1")
    await tell(store, "d")
    await tick(database, store, 4)
    there = await entries(database)
    assert sorted(entry.operation for entry in there) == ["a", TRUNCATED, "b", "c", "d"], (
        "what was asked for comes back"
    )
    head = read_head(store)
    assert head is not None
    assert head.sequence == 5
    told = next(entry for entry in there if entry.operation == TRUNCATED)
    assert told.details == {"found": 1, "expected": 3, "kept": told.details["kept"]}
    found = await walked(database, head=head)
    assert (found.broken, found.damage) == (told.sequence, "truncated")
    assert (await walked(database, told.sequence, head)).damage is None


async def test_a_head_of_another_chain_fits_none(database: Database, store: Store) -> None:
    await tell(store, *"ab")
    await tick(database, store, 2)
    assert (await walked(database, head=Link(2, "f" * 64))).damage == "changed"
    write_head(store, Link(2, "f" * 64))
    await tick(database, store, 3)
    assert [entry.operation for entry in await entries(database)].count(TRUNCATED) == 1
