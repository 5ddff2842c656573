"""A heartbeat goes the whole road of real services, is timed, and leaves nothing but its own note."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.anonymizer.service import service as anonymizer
from services.audit.service import service as audit
from services.indexer.service import service as indexer
from services.monitor.service import service as monitor
from services.receiver.service import service as receiver
from services.redcap.service import service as redcap
from services.router.service import service as router
from services.sender.service import service as sender
from shared.database import Database
from shared.events import InstancesReceived, ReceivedInstance
from shared.heartbeat import looks_like, uids
from shared.service import run
from shared.settings import Settings
from shared.store import Store
from shared.switches import Switch, Switches
from shared.tables import AuditEntry, Base, Heartbeat, MonitorCheck
from tests.components.process import free_port

ALL = (receiver, indexer, router, anonymizer, sender, redcap, audit, monitor)
OURS = {
    "heartbeats", "monitor_checks", "monitor_leases", "inbox", "audit_entries", "outbox", "bus_messages",
    "vault_keys", "redcap_targets", "published", "traces",
}  # fmt: skip
"""Tables in which something may stand when a heartbeat has passed: none of what people look at."""


@asynccontextmanager
async def gateway(folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, bus: str | None) -> AsyncIterator[Database]:
    for name, value in {
        "FIONA_RECEIVER_PORT": free_port(),
        "FIONA_MONITOR_EVERY_SECONDS": 0.3,
        "FIONA_MONITOR_HEARTBEAT_SECONDS": 1,
        "FIONA_MONITOR_LOOKS": 1,
        "FIONA_ANONYMIZER_WORKERS": 1,
    }.items():
        monkeypatch.setenv(name, str(value))
    settings = Settings(
        data=folder, database_url=url, bus_url=bus, secret_key="a key for tests only", log_level="ERROR"
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(ALL, settings, stop, signals=False))
    database = Database(url)
    await database.migrate()
    try:
        yield database
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)
        await database.close()


async def arrived(database: Database, count: int) -> list[Heartbeat]:
    async with asyncio.timeout(90):
        while True:
            async with database.reading() as session:
                rows = list(await session.scalars(select(Heartbeat).order_by(Heartbeat.sent_at)))
            if sum(row.outcome == "arrived" for row in rows) >= count:
                return rows
            await asyncio.sleep(0.1)


async def filled(database: Database) -> set[str]:
    async with database.reading() as session:
        tables = Base.metadata.sorted_tables
        return {each.name for each in tables if await session.scalar(select(func.count()).select_from(each))}


@pytest.mark.parametrize("kind", ["embedded", "rabbitmq"])
async def test_it_goes_the_whole_road_and_leaves_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    bus, url = None, f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    if kind == "rabbitmq":
        bus, url = request.getfixturevalue("rabbitmq_vhost"), request.getfixturevalue("postgres_database")
    store = Store(tmp_path / "store")
    async with gateway(store.root, monkeypatch, url, bus) as database:
        rows = await arrived(database, 2)
        for row in [row for row in rows if row.outcome == "arrived"]:
            steps: list[Any] = [row.sent_at, row.indexed_at, row.routed_at, row.anonymized_at, row.delivered_at]
            assert steps == sorted(steps)
            assert row.received_at
        switches = Switches(store)
        if kind == "embedded":
            switches.turn_off(Switch.SEND, "a test", "k.olsen")
            await asyncio.sleep(4)

            async def held() -> set[str]:
                found = await arrived(database, 1)
                return {row.id for row in found if not row.outcome and row.anonymized_at}

            async with asyncio.timeout(60):
                while not (waiting := await held()):
                    await asyncio.sleep(0.2)
            await asyncio.sleep(1)
            assert waiting <= await held()
            switches.turn_on(Switch.SEND)
        switches.turn_off(Switch.RECEIVE, "a test", "k.olsen")
        async with asyncio.timeout(60):
            while not all(row.outcome for row in await arrived(database, 2)):
                await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        assert await filled(database) <= OURS
        async with database.reading() as session:
            entries = (await session.scalars(select(AuditEntry.operation).distinct())).all()
            checks = {row.name: row for row in await session.scalars(select(MonitorCheck)) if not row.subject}
        assert set(entries) <= {"application_started", "application_stopped"}
        assert checks["heartbeat"].state == checks["receiver"].state == checks["bus"].state == "ok"
        left = [path for name in ("archive", "anonymized", "raw", "review") for path in (store / name).rglob("*")]
        assert [path for path in left if path.is_file()] == []


def instance(study: str, series: str, sop: str) -> ReceivedInstance:
    return ReceivedInstance(
        study_instance_uid=study, series_instance_uid=series, sop_instance_uid=sop, sop_class_uid="1.2",
        transfer_syntax_uid="1.2", path="", size=1,
    )  # fmt: skip


def test_what_may_be_one_is_known_by_its_uids() -> None:
    identity = "7f4de2f5-55e5-4b53-9d4a-0f8f7a7c1f10"
    study, series, sop = uids(identity)
    assert looks_like([instance(study, series, sop)]) == identity
    assert looks_like([instance(study, series, sop)] * 2) is None
    for other in ((study, series, "1.2"), ("1.2", "1.2.1", "1.2.1.1"), ("2.25.x", "2.25.x.1", "2.25.x.1.1")):
        assert looks_like([instance(*other)]) is None
    huge = f"2.25.{1 << 129}"
    assert looks_like([instance(huge, f"{huge}.1", f"{huge}.1.1")]) is None
    assert InstancesReceived.name
