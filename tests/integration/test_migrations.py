"""A database that has been in use is brought to today's schema with all that is in it."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import JSON, Column, Connection, LargeBinary, MetaData, Table, select, text

from shared.database import Database
from shared.migrations import config, version
from shared.tables import (
    AutoId,
    AutoIdCounter,
    CouplingEntry,
    Delivery,
    KeptAttribute,
    Participant,
    Project,
    QuarantinedInstance,
    RedcapOwed,
    RedcapTaken,
    RedcapTarget,
    RoutingRule,
    Transfer,
    TransferPart,
)
from shared.tables.base import Base, UtcDateTime

COUPLING = "0015"
NOW = datetime(2026, 1, 5, 10, 15, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
async def unmigrated(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_database"))
    yield database
    await database.close()


def _at_0001(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """The schema of the first version, with rows that it knew."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS identity"))
    _up(connection, "0001")
    for name, values in rows.items():
        connection.execute(Table(name, MetaData(), autoload_with=connection).insert(), values)


async def test_from_the_first_version_with_rows(unmigrated: Database) -> None:
    transfer = {
        "assignment": "a", "study_instance_uid": "1.2", "participant": "P", "event": "e", "destinations": ["research"],
        "reason": "person", "instances": 4, "counted": 1, "requested_at": NOW,
    }  # fmt: skip
    part = {"assignment": "a", "series_instance_uid": "1.2.3", "revision": 1, "destination": "research"}
    stayed = {
        "transfer": "t1", "series_instance_uid": "1.2.3", "revision": 1, "project": "PROJECT", "where": "",
        "created_at": NOW,
    }  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {
        "projects": [
            {"name": "PROJECT", "description": "", "participant_pattern": ".+", "events": [], "destinations": [],
             "profile": "basic", "encrypted_key": b"k", "active": True, "created_at": NOW},
        ],
        "assignments": [
            {"id": "a", "study_instance_uid": "1.2", "project": "PROJECT", "participant": "P", "event": "e",
             "reason": "person", "created_at": NOW},
        ],
        "transfers": [
            transfer | {"id": "t1", "project": "PROJECT", "state": "quarantined", "error": "3 in quarantine"},
            transfer | {"id": "t2", "project": "ANOTHER", "state": "sending", "error": None},
        ],
        "transfer_parts": [part | {"transfer": "t1", "instances": 4, "anonymized": 1, "quarantined": 3, "refused": 0}],
        "quarantine": [
            stayed | {"sop_instance_uid": "1", "reason": "a screen save [text-in-pixels]"},
            stayed | {"sop_instance_uid": "2", "reason": "ends early [truncated]"},
            stayed | {"sop_instance_uid": "3", "reason": "no rule is named"},
        ],
        "deliveries": [
            {"transfer": "t1", "destination": "research", "series_instance_uid": "1.2.3", "revision": 1, "parts": 1,
             "destinations": ["research"], "target_study_instance_uid": "2.25.1", "quarantined": 3, "delivered": 1,
             "refused": 0, "count_tries": 0, "finished_at": NOW},
        ],
    }  # fmt: skip
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, rows)
        assert await connection.run_sync(version) == "0001"
    await unmigrated.migrate()
    async with unmigrated.reading() as session:
        rules = select(QuarantinedInstance.rule).order_by(QuarantinedInstance.sop_instance_uid)
        assert (await session.scalars(rules)).all() == ["text-in-pixels", "truncated", ""]
        first = await session.get_one(Transfer, "t1")
        assert (first.profile, first.profile_version, first.profile_digest) == ("basic", "", None)
        assert (first.review, first.left_out, first.state) == (None, 0, "quarantined")
        second = await session.get_one(Transfer, "t2")
        assert second.profile == ""
        targets = first.target_study_instance_uid, second.target_study_instance_uid
        assert targets == ("2.25.1", None), "as far as it was delivered"
        assert (await session.scalars(select(TransferPart.left_out))).all() == [0]
        assert (await session.scalars(select(Delivery.left_out))).all() == [0]
        assert (await session.scalars(select(KeptAttribute))).all() == []
        project = await session.get_one(Project, "PROJECT")
        assert (project.state, project.end_provision, project.options, project.ends_on) == (
            "production", "delete", [], None,
        )  # fmt: skip
    async with unmigrated.session() as session:
        later = {"assignment": "a", "study_instance_uid": "1.2", "project": "PROJECT", "participant": "P", "event": "e"}
        session.add(Transfer(id="t3", reason="review r", review="r", profile="basic", **later))


def _up(connection: Connection, revision: str) -> None:
    configuration = config()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)


def _down(connection: Connection, revision: str) -> None:
    configuration = config()
    configuration.attributes["connection"] = connection
    command.downgrade(configuration, revision)


async def test_participants_and_rules_go_up_and_down_with_rows(unmigrated: Database) -> None:
    rows: dict[str, list[dict[str, Any]]] = {
        "projects": [
            {"name": "PROJECT", "description": "", "participant_pattern": ".+", "events": [], "destinations": [],
             "profile": "basic", "encrypted_key": b"k", "active": True, "created_at": NOW},
        ],
        "participants": [{"project": "PROJECT", "name": "P1", "created_at": NOW}],
        "routing_rules": [
            {"id": "r", "project": "PROJECT", "position": 3, "active": True, "patient_id": "P.*", "event": "e",
             "created_at": NOW},
        ],
    }  # fmt: skip
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, rows)
    await unmigrated.migrate()
    async with unmigrated.session() as session:
        one = await session.get_one(Participant, ("PROJECT", "P1"))
        assert (one.site, one.origin, one.created_by, one.withdrawn_at) == ("", "", "", None)
        rule = await session.get_one(RoutingRule, "r")
        assert (rule.auto_id, rule.attribute, rule.site) == (False, None, "")
        assert (await session.get_one(Project, "PROJECT")).auto_id_pattern == ""
        session.add_all([AutoId(project="PROJECT", identity="h", name="P2"), AutoIdCounter(project="PROJECT", last=2)])
        session.add(Participant(project="PROJECT", name="P2", site="A", origin="auto", withdrawn_at=NOW))
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_down, "0002")
        names = await connection.execute(text("SELECT name FROM participants ORDER BY name"))
        assert names.scalars().all() == ["P1", "P2"]
        await connection.run_sync(_up, "head")
        sites = await connection.execute(text("SELECT site FROM participants"))
        assert sites.scalars().all() == ["", ""]


async def test_projects_go_down_and_up_with_rows(unmigrated: Database) -> None:
    await unmigrated.migrate()
    async with unmigrated.session() as session:
        session.add(Project(name="PROJECT", encrypted_key=b"k", state="archived", approval="REK 1", events=["a"]))
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_down, "0002")
        await connection.run_sync(_up, "head")
    async with unmigrated.reading() as session:
        project = await session.get_one(Project, "PROJECT")
        assert (project.state, project.approval, project.events) == ("production", "", ["a"])


async def test_coupling_entries_get_their_key_and_give_it_back(unmigrated: Database) -> None:
    """Of several for one study only the latest could be in force; an entry by patient was not known before."""
    schema = None if unmigrated.sqlite else "identity"
    entry = {"project": "PROJECT", "participant": "P", "event": "e", "created_at": NOW}
    before = [
        entry | {"id": "a", "accession_hash": "h", "study_instance_uid": None},
        entry | {"id": "b", "accession_hash": "h", "study_instance_uid": None, "created_at": NOW + timedelta(days=1)},
        entry | {"id": "c", "accession_hash": None, "study_instance_uid": "1.2"},
    ]

    def entries(connection: Connection) -> Table:
        return Table("coupling_entries", MetaData(), autoload_with=connection, schema=schema)

    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, {})
        await connection.run_sync(lambda sync: sync.execute(entries(sync).insert(), before))
        await connection.run_sync(_up, COUPLING)
        table = await connection.run_sync(entries)
        keys = await connection.execute(select(table.c.id, table.c.key).order_by(table.c.id))
        assert [tuple(row) for row in keys] == [("b", "h"), ("c", "1.2")]
        by_patient = entry | {"id": "d", "key": "p", "patient_hash": "p", "upload": "u"}
        await connection.execute(table.insert(), [by_patient])
        await connection.run_sync(_down, f"{COUPLING}-1")
        table = await connection.run_sync(entries)
        left = await connection.execute(select(table.c.id, table.c.accession_hash).order_by(table.c.id))
        assert [tuple(row) for row in left] == [("b", "h"), ("c", None)]
    await unmigrated.migrate()


REDCAP: dict[str, dict[str, Any]] = {
    "redcap_targets": {
        "project": "PROJECT", "configured": True, "problem": "away", "failures": 2, "due_at": NOW,
        "leased_until": NOW, "written_at": NOW, "comparison": "c2", "repair": True, "compared": "c1",
        "compared_at": NOW,
    },
    "redcap_owed": {
        "project": "", "kind": "study", "subject": "1.2", "version": 3, "final": False, "due_at": None,
        "problem": "field x is not defined", "owed_at": NOW,
    },
    "redcap_instances": {
        "project": "PROJECT", "record": "P1", "event": "event_1_arm_1", "instrument": "imaging", "instance": 2,
        "subject": "2.25.1",
    },
    "redcap_results": {
        "transfer": "t1", "study_instance_uid": "2.25.1", "study_date": "20260105", "study_description": "CT",
        "accession_number": "a",
    },
    "redcap_differences": {
        "id": "d", "project": "PROJECT", "kind": "imaging", "subject": "t1", "side": "gateway", "what": "not there",
        "found_at": NOW,
    },
    "redcap_taken": {"kind": "rule", "key": "7", "reference": "r", "fields": {"event": "h"}, "taken_at": NOW},
}  # fmt: skip
"""Rows of version 0008, the first with all of REDCap's tables."""


def _redcap_rows(connection: Connection) -> dict[str, dict[str, Any]]:
    tables = {name: Table(name, MetaData(), autoload_with=connection) for name in REDCAP}
    return {name: dict(connection.execute(select(table)).mappings().one()) for name, table in tables.items()}


async def test_what_redcap_is_owed_goes_up_and_down_with_rows(unmigrated: Database) -> None:
    """Nothing that is owed, placed or taken is lost either way; who had REDCap in hand may have to say so again."""

    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, {})
        await connection.run_sync(_up, "0008")
        await connection.run_sync(
            lambda sync: [
                sync.execute(Table(name, MetaData(), autoload_with=sync).insert(), row) for name, row in REDCAP.items()
            ]
        )
        before = await connection.run_sync(_redcap_rows)
    await unmigrated.migrate()
    async with unmigrated.session() as session:
        target = await session.get_one(RedcapTarget, "PROJECT")
        assert (target.holder, target.held_until, target.failures, target.comparison) == (None, NOW, 2, "c2")
        owed = await session.get_one(RedcapOwed, ("", "study", "1.2"))
        assert (owed.version, owed.problem, owed.due_at) == (3, "field x is not defined", None)
        taken = await session.get_one(RedcapTaken, ("rule", "7"))
        assert taken.fields == {"event": "h"}
        target.holder = "somebody"
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_down, "0008")
        assert await connection.run_sync(_redcap_rows) == before
        await connection.run_sync(_down, "0005")
        await connection.run_sync(_up, "head")


async def test_coupling_entries_get_an_index_to_be_counted_by_and_give_it_back(unmigrated: Database) -> None:
    schema = None if unmigrated.sqlite else "identity"
    kept = {"id": "a", "project": "PROJECT", "key": "1.2", "study_instance_uid": "1.2", "participant": "P"}
    entry = kept | {"event": "e", "upload": "", "created_at": NOW}

    def entries(connection: Connection) -> Table:
        return Table("coupling_entries", MetaData(), autoload_with=connection, schema=schema)

    def found(connection: Connection) -> tuple[bool, dict[str, Any]]:
        table = entries(connection)
        row = connection.execute(select(table)).mappings().one()
        return "ix_coupling_entries_counted" in {index.name for index in table.indexes}, {
            name: row[name] for name in kept
        }

    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, {})
        await connection.run_sync(_up, "0022")
        await connection.run_sync(lambda sync: sync.execute(entries(sync).insert(), entry))
        for version_, there in (("0022", False), ("0023", True)):
            await connection.run_sync(_up, version_)
            assert await connection.run_sync(found) == (there, kept)
        await connection.run_sync(_down, "0022")
        assert await connection.run_sync(found) == (False, kept)


async def test_what_rows_say_of_themselves_is_filled_in_and_taken_back(unmigrated: Database) -> None:
    """Entries that assignments name have matched, and a transfer has the sums of its least far destination."""
    schema = None if unmigrated.sqlite else "identity"

    def table(connection: Connection, name: str) -> Table:
        return Table(name, MetaData(), autoload_with=connection, schema=schema if name == "coupling_entries" else None)

    entry = {"project": "PROJECT", "participant": "P", "event": "e", "upload": "", "created_at": NOW}
    assigned = {
        "study_instance_uid": "1.2", "project": "PROJECT", "participant": "P", "event": "e", "refused": None,
        "created_at": NOW,
    }  # fmt: skip
    transfer = {
        "assignment": "a", "study_instance_uid": "1.2", "project": "PROJECT", "participant": "P", "event": "e",
        "destinations": ["r"], "reason": "person", "profile": "", "profile_version": "", "state": "sending",
        "instances": 9, "left_out": 0, "counted": 0, "requested_at": NOW,
    }  # fmt: skip
    part = {
        "transfer": "t1", "assignment": "a", "revision": 1, "instances": 5, "quarantined": 1, "left_out": 0,
        "anonymized": 4,
    }  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {
        "coupling_entries": [entry | {"id": name, "key": name} for name in ("taken", "refused", "waiting", "person")],
        "assignments": [
            assigned | {"id": "a", "reason": "coupling taken"},
            assigned | {"id": "b", "reason": "coupling refused", "refused": "no"},
            assigned | {"id": "c", "reason": "coupling gone", "study_instance_uid": "1.3"},
            assigned | {"id": "d", "reason": "person", "study_instance_uid": "1.4"},
        ],
        "transfers": [transfer | {"id": name} for name in ("t1", "t2")],
        "transfer_parts": [
            part | {"destination": destination, "series_instance_uid": series, "delivered": delivered, "refused": no}
            for destination, series, delivered, no in (
                ("r", "1", 4, 0), ("r", "2", 0, 0), ("s", "1", None, 0), ("s", "2", 4, 2), ("t", "1", 4, 9),
                ("t", "2", 4, 0),
            )
        ],
    }  # fmt: skip
    said = select(CouplingEntry.id, CouplingEntry.matched).order_by(CouplingEntry.id)
    sums = select(
        Transfer.id, Transfer.anonymized, Transfer.quarantined, Transfer.delivered, Transfer.refused
    ).order_by(Transfer.id)

    def contents(connection: Connection) -> dict[str, list[Any]]:
        found = {}
        for name in rows:
            there = table(connection, name)
            found[name] = sorted(map(tuple, connection.execute(select(there))), key=str)
            found[f"{name}: indexes"] = sorted((i.name, [c.name for c in i.columns]) for i in there.indexes)
        return found

    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_at_0001, {})
        await connection.run_sync(_up, "0023")
        for name, values in rows.items():
            await connection.execute((await connection.run_sync(table, name)).insert(), values)
        before = await connection.run_sync(contents)
        for _ in range(2):
            await connection.run_sync(_up, "0024")
            found = {row[0]: row[1] for row in await connection.execute(said)}
            assert found == {"taken": True, "refused": True, "waiting": False, "person": False}
            assert [tuple(row) for row in await connection.execute(sums)] == [("t1", 8, 2, 4, 2), ("t2", 0, 0, 0, 0)]
            await connection.run_sync(_down, "0023")
            assert await connection.run_sync(contents) == before


def _value(column: Column[Any]) -> Any:
    """Something that fits a column; keys are alike everywhere, so that what refers to a row finds one."""
    kind = column.type
    if isinstance(kind, JSON):
        return []
    if isinstance(kind, LargeBinary):
        return b"sealed"
    if isinstance(kind, UtcDateTime):
        return NOW
    return {int: 1, bool: True, str: "1", date: NOW.date(), float: 1.0}[kind.python_type]


def _a_row_in_every_table(connection: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        connection.execute(table.insert(), {column.name: _value(column) for column in table.columns})


async def test_a_row_in_every_table_goes_down_and_up(unmigrated: Database) -> None:
    """What the version before had, it has again; and today's is reached from there."""
    await unmigrated.migrate()
    old = ("projects", "participants", "studies", "series", "instances", "assignments", "transfers", "destinations")
    async with unmigrated.engine.begin() as connection:
        await connection.run_sync(_a_row_in_every_table)
        await connection.run_sync(_down, "0002")
        assert [await connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in old] == [1] * len(old)
    await unmigrated.migrate()
    async with unmigrated.engine.begin() as connection:
        assert [await connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in old] == [1] * len(old)
