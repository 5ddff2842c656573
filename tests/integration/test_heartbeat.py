"""A heartbeat goes the whole road of real services, is timed, and leaves nothing but its own note."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from services.anonymizer.service import service as anonymizer
from services.audit.service import service as audit
from services.indexer.classification.rules import load
from services.indexer.clock import Clock as IndexerClock
from services.indexer.handlers import close, index
from services.indexer.headers.image import Reader
from services.indexer.service import service as indexer
from services.monitor.beat import send_image
from services.monitor.handlers import passed
from services.monitor.leaving import remove_files
from services.monitor.service import service as monitor
from services.receiver.service import service as receiver
from services.redcap.service import service as redcap
from services.router.service import service as router
from services.sender.service import service as sender
from shared.bus import Message
from shared.crypto import Vault
from shared.database import Database
from shared.destinations import DicomDestination
from shared.dicom.filemeta import read_meta
from shared.events import AssociationClosed, Event, HeartbeatPassed, InstancesReceived, ReceivedInstance
from shared.heartbeat import CALLING_AET, looks_like, source, uids
from shared.heartbeat.image import write_image
from shared.recovery.republish import republish
from shared.service import run
from shared.settings import Settings
from shared.store import Store
from shared.switchable import Switch
from shared.switches import Switches
from shared.tables import Association, AuditEntry, Base, Heartbeat, MonitorCheck, OutboxEntry, Study
from shared.tables.base import new_id
from tests.components.process import free_port
from tests.components.receiver import LocalReceiver

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
        data=folder,
        database_url=url,
        bus_url=bus,
        secret_key="a key for tests only",
        log_level="ERROR",
        bus_settling_seconds=0,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(run(ALL, settings, stop, signals=False))
    database = Database(url)
    await database.migrate()
    try:
        yield database
    finally:
        stop.set()
        await asyncio.wait_for(running, 120)
        await database.close()


async def arrived(database: Database, count: int) -> list[Heartbeat]:
    async with asyncio.timeout(240):
        while True:
            async with database.reading() as session:
                rows = list(await session.scalars(select(Heartbeat).order_by(Heartbeat.sent_at)))
            if sum(row.outcome == "arrived" for row in rows) >= count:
                return rows
            await asyncio.sleep(0.1)


async def standing(database: Database) -> set[str]:
    """How it is with heartbeats, the receiver and the bus."""
    these = MonitorCheck.name.in_(("heartbeat", "receiver", "bus")), MonitorCheck.subject == ""
    async with database.reading() as session:
        return set(await session.scalars(select(MonitorCheck.state).where(*these)))


def files(store: Store) -> list[Path]:
    """What of an image may lie anywhere."""
    left = [path for name in ("archive", "anonymized", "raw", "review") for path in (store / name).rglob("*")]
    return [path for path in left if path.is_file()]


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

            async def held() -> set[str]:
                found = await arrived(database, 1)
                return {row.id for row in found if not row.outcome and row.anonymized_at}

            async def stays() -> bool:
                """Something waits for longer than the whole road takes."""
                waiting = await held()
                await asyncio.sleep(2)
                return bool(waiting & await held())

            async with asyncio.timeout(240):
                while not await stays():
                    pass
            switches.turn_on(Switch.SEND)
        switches.turn_off(Switch.RECEIVE, "a test", "k.olsen")
        async with asyncio.timeout(240):
            while not all(row.outcome for row in await arrived(database, 2)) or files(store):
                await asyncio.sleep(0.2)
            while not await filled(database) <= OURS:
                await asyncio.sleep(0.2)
            while await standing(database) != {"ok"}:
                await asyncio.sleep(0.2)
        async with database.reading() as session:
            entries = (await session.scalars(select(AuditEntry.operation).distinct())).all()
        assert set(entries) <= {"application_started", "application_stopped"}
        assert files(store) == []


async def test_one_that_nobody_remembers_is_no_study(sqlite: Database, store: Store, tmp_path: Path) -> None:
    """A database of yesterday, an archive of today: what is found there is known by its bytes, and goes."""
    forgotten, other = new_id(), new_id()
    with LocalReceiver(store.root) as taking:
        peer = DicomDestination(host="127.0.0.1", port=taking.port, called_aet="FIONA", calling_aet=CALLING_AET)
        for beat in (forgotten, other):
            file = tmp_path / f"{beat}.dcm"
            write_image(file, beat)
            if beat == other:
                file.write_bytes(file.read_bytes().replace(b"HEARTBEAT", b"SOMEBODY!"))
            assert await asyncio.to_thread(send_image, file, beat, peer) == 0
        await asyncio.to_thread(taking.settled)
    async with sqlite.session() as session:
        session.add(Heartbeat(id=new_id()))
    done = await republish(sqlite, store, None, older_than=timedelta(0))
    assert (done.studies, done.unreadable) == (2, [])
    async with sqlite.reading() as session:
        owed = [Message.from_bytes(row).event() for row in await session.scalars(select(OutboxEntry.content))]
    said: list[Event] = []
    with ThreadPoolExecutor(1) as executor:
        reader = Reader(store, load(None), executor, 1)
        for event in owed:
            if isinstance(event, InstancesReceived):
                said += await index(event, sqlite, store, Vault(b"k" * 32), reader, IndexerClock())
            elif isinstance(event, AssociationClosed):
                async with sqlite.session() as session:
                    await close(event, session, IndexerClock())
    [step] = said
    assert isinstance(step, HeartbeatPassed)
    assert (step.heartbeat, step.instances) == (forgotten, 0)
    await passed(step, sqlite, store)
    await passed(step, sqlite, store)
    assert [path.parent.name for path in (store / "archive").rglob("*.dcm")] == [f"scp_{uids(other).study}"]
    async with sqlite.reading() as session:
        assert set(await session.scalars(select(Study.study_instance_uid))) == {uids(other).study}
        assert await session.scalar(select(func.count()).select_from(Association)) == 1


def test_its_bytes_stay_what_they_are() -> None:
    """Another image would make studies of those that an older version has left."""
    made = BytesIO()
    write_image(made, "7f4de2f5-55e5-4b53-9d4a-0f8f7a7c1f10")
    dataset = made.getvalue()[read_meta(made.getvalue()).dataset :]
    assert sha256(dataset).hexdigest() == "60f5f6903ff79f1ef0c560195b4f0373c74d0121a92f403cfadd1e3769e4aca7"


def test_what_lies_beside_one_stays(store: Store) -> None:
    beat = new_id()
    file = store / source(beat)
    file.parent.mkdir(parents=True)
    write_image(file, beat)
    (file.parent / "1.2.3.dcm").write_bytes(b"of somebody")
    remove_files(store, beat)
    assert [path.name for path in file.parent.iterdir()] == ["1.2.3.dcm"]


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
