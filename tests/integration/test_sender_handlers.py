"""The sender's handlers against real destinations and both databases: resume, back-off, counting."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from sqlalchemy import delete, select, update

from services.sender import handlers as sender
from services.sender.destinations import Destinations
from services.sender.settings import SenderSettings
from shared.database import Database
from shared.events import (
    DeliveryRequested,
    Event,
    SeriesAnonymized,
    SeriesDelivered,
    TransferCompleted,
    TransferFailed,
)
from shared.handlers import Reject, Retry
from shared.store import Store
from shared.tables import Destination
from shared.tables.base import now
from shared.tables.sender import Delivery, SentInstance
from tests.components.dcmtk import StoreSCP
from tests.components.disks import fill, small_disk
from tests.components.fixtures import disposable
from tests.components.orthanc import Orthanc
from tests.unit.sender.builders import Part


class Bench:
    """The sender without a bus: events in, events out."""

    def __init__(self, database: Database, store: Store, **settings: Any) -> None:
        self.database, self.store = database, store
        self.settings = SenderSettings(**settings)
        self.destinations = Destinations(database, store, self.settings)

    def restart(self) -> None:
        """Forget what only a process knows."""
        self.destinations = Destinations(self.database, self.store, self.settings)

    async def destination(self, name: str, kind: str, **config: Any) -> None:
        async with self.database.session() as session:
            session.add(Destination(name=name, kind=kind, config=config))

    async def orthanc(self, server: Orthanc, name: str = "pacs") -> None:
        config = {"host": "127.0.0.1", "port": server.dicom_port, "called_aet": server.aet, "timeout": 10}
        await self.destination(name, "dicom", **config)

    async def deliver(self, event: DeliveryRequested) -> SeriesDelivered:
        said = await sender.deliver(event, self.database, self.store, self.destinations, self.settings)
        [delivered] = list(said or ())
        assert isinstance(delivered, SeriesDelivered)
        return delivered

    async def complete(self, event: SeriesDelivered) -> list[Event]:
        return list(await sender.complete(event, self.database, self.destinations, self.settings) or ())

    async def all(self, *events: SeriesAnonymized) -> list[Event]:
        """Deliver everything that follows from these; what the last handlers say."""
        last: list[Event] = []
        for event in events:
            async with self.database.reading() as session:
                requests = await sender.fan_out(event, session)
            for request in requests or ():
                assert isinstance(request, DeliveryRequested)
                last += await self.complete(await self.deliver(request))
        return last

    async def answered(self) -> list[SentInstance]:
        async with self.database.reading() as session:
            return list(await session.scalars(select(SentInstance)))

    async def delivery(self) -> Delivery:
        async with self.database.reading() as session:
            return (await session.scalars(select(Delivery))).one()


@pytest.fixture
def bench(sqlite: Database, store: Store) -> Bench:
    return Bench(sqlite, store, batch_seconds=0.05, probe_seconds=0.2)


@pytest.fixture
def bench_on_both(database: Database, store: Store) -> Bench:
    """For what depends on the database: the test runs once on each kind."""
    return Bench(database, store, batch_seconds=0.05, probe_seconds=0.2)


def anonymized(
    part: Part, *destinations: str, parts: int = 1, quarantined: int = 0, left_out: int = 0
) -> SeriesAnonymized:
    return SeriesAnonymized(
        transfer=part.transfer,
        parts=parts,
        destinations=destinations,
        project="demo1",
        series_instance_uid=part.source_series,
        revision=part.revision,
        target_study_instance_uid=part.study,
        manifest=part.write().manifest,
        instances=len(part.instances),
        quarantined=quarantined,
        left_out=left_out,
    )


def circuit_open(name: str) -> float | None:
    """What Prometheus is told of a destination."""
    return REGISTRY.get_sample_value("fiona_sender_circuit_open", {"destination": name})


def requested(part: Part, destination: str = "pacs") -> DeliveryRequested:
    event = anonymized(part, destination)
    return DeliveryRequested(**event.model_dump(), destination=destination)


async def test_two_series_to_three_destinations_are_complete_with_the_last_and_counted(
    bench: Bench, orthanc: Orthanc, store: Store, tmp_path: Path
) -> None:
    await bench.orthanc(orthanc)
    await bench.destination("web", "dicomweb", url=orthanc.dicomweb_url)
    await bench.destination("files", "folder")
    first, second = Part(store).ct(10), Part(store, source_series="1.2.4").add("MR_small_RLE.dcm").ct(4)
    names = ("pacs", "web", "files")
    said = await bench.all(
        anonymized(first, *names, parts=2, quarantined=1), anonymized(second, *names, parts=2, quarantined=2)
    )
    assert said == [TransferCompleted(transfer="t1", delivered=15, quarantined=3, counted=15)]
    assert orthanc.instances() == sorted(first.uids | second.uids)
    files = {path.stem for path in (store / "outbox/files").rglob("*.dcm")}
    assert files == first.uids | second.uids


async def test_everything_may_run_twice(bench_on_both: Bench, orthanc: Orthanc, store: Store) -> None:
    bench = bench_on_both
    await bench.orthanc(orthanc)
    part = Part(store).ct(5)
    for _ in range(2):
        assert await bench.all(anonymized(part, "pacs")) == [
            TransferCompleted(transfer="t1", delivered=5, quarantined=0, counted=5)
        ]
        bench.restart()
    assert [row.tries for row in await bench.answered()] == [1] * 5
    assert orthanc.instances() == sorted(part.uids)


async def test_a_part_of_which_nothing_is_left_completes(bench: Bench, store: Store) -> None:
    await bench.destination("files", "folder")
    said = await bench.all(anonymized(Part(store), "files", quarantined=7, left_out=2))
    assert said == [TransferCompleted(transfer="t1", delivered=0, quarantined=7, left_out=2, counted=0)]


async def test_what_the_profile_leaves_out_is_counted_once_per_destination_and_twice_is_once(
    bench_on_both: Bench, store: Store
) -> None:
    bench = bench_on_both
    for name in ("files", "more"):
        await bench.destination(name, "folder")
    first, second = Part(store).ct(2), Part(store, source_series="1.2.4")
    for _ in range(2):
        said = await bench.all(
            anonymized(first, "files", "more", parts=2, left_out=1),
            anonymized(second, "files", "more", parts=2, left_out=4),
        )
        assert said[-1] == TransferCompleted(transfer="t1", delivered=2, quarantined=0, left_out=5, counted=2)


async def test_a_destination_that_cannot_be_asked_completes_uncounted(
    bench: Bench, store: Store, tmp_path: Path, dcmtk: None
) -> None:
    with disposable(StoreSCP(tmp_path / "scp")) as scp:
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=scp.port, called_aet=scp.aet)
        said = await bench.all(anonymized(Part(store).ct(3), "pacs"))
    assert said == [TransferCompleted(transfer="t1", delivered=3, quarantined=0, counted=0)]


async def test_a_refusal_fails_the_transfer_and_says_why(
    bench: Bench, store: Store, tmp_path: Path, dcmtk: None
) -> None:
    with disposable(StoreSCP(tmp_path / "scp", options=["+x="])) as scp:
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=scp.port, called_aet=scp.aet)
        said = await bench.all(anonymized(Part(store).ct(2).add("SC_rgb_jpeg_dcmtk.dcm"), "pacs"))
    reason = "refused by pacs: 1 × 0x0122 SOP class or transfer syntax not supported"
    assert said == [TransferFailed(transfer="t1", reason=reason, refused=1)]
    assert len(list((tmp_path / "scp" / "received").iterdir())) == 2


async def test_killed_in_the_middle_and_back_it_resumes_where_it_stopped(
    sqlite: Database, orthanc: Orthanc, store: Store
) -> None:
    bench = Bench(sqlite, store, batch_seconds=1e-9)  # one commit for each instance: time enough for a kill
    await bench.orthanc(orthanc)
    part = Part(store).ct(300, size=256)
    request = requested(part)

    async def kill_when_some_arrived() -> None:
        while len(await bench.answered()) < 30:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(orthanc.kill)

    killing = asyncio.create_task(kill_when_some_arrived())
    with pytest.raises(Retry) as caught:
        await bench.deliver(request)
    await killing
    assert caught.value.delay == 10
    before = {row.sop_instance_uid for row in await bench.answered() if row.status == 0}
    assert 30 <= len(before) < 300
    orthanc.start()
    delivered = await bench.deliver(request)
    assert (delivered.delivered, delivered.refused) == (300, 0)
    assert {row.sop_instance_uid for row in await bench.answered() if row.tries == 1} >= before
    assert await bench.complete(delivered) == [
        TransferCompleted(transfer="t1", delivered=300, quarantined=0, counted=300)
    ]
    assert orthanc.instances() == sorted(part.uids)


CHILD = """
import asyncio, sys
from pathlib import Path
from shared.database import Database
from shared.events import DeliveryRequested
from shared.store import Store
from tests.integration.test_sender_handlers import Bench
bench = Bench(Database(sys.argv[1]), Store(Path(sys.argv[2])), batch_seconds=1e-9)
asyncio.run(bench.deliver(DeliveryRequested.model_validate_json(sys.argv[3])))
"""


async def test_the_sender_itself_is_killed(bench_on_both: Bench, orthanc: Orthanc, store: Store) -> None:
    bench = bench_on_both
    await bench.orthanc(orthanc)
    part = Part(store).ct(300, size=256)
    request = requested(part)
    url = bench.database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", CHILD, url, str(store.root), request.model_dump_json()]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.getcwd()}) as child:
        deadline = time.monotonic() + 120
        while len(await bench.answered()) < 30 and time.monotonic() < deadline:
            await asyncio.sleep(0.03)
        child.send_signal(signal.SIGKILL)
        child.wait()
    before = len(await bench.answered())
    assert 30 <= before < 300
    delivered = await bench.deliver(request)
    assert delivered.delivered == 300
    assert [row.tries for row in await bench.answered()] == [1] * 300
    assert orthanc.instances() == sorted(part.uids)


async def test_a_destination_that_is_down_opens_its_circuit_and_an_echo_closes_it(
    bench: Bench, orthanc: Orthanc, store: Store
) -> None:
    await bench.orthanc(orthanc)
    request = requested(Part(store).ct(3))
    orthanc.kill()
    for _ in range(3):
        with pytest.raises(Retry, match="no connection: ConnectionRefusedError") as caught:
            await bench.deliver(request)
        assert caught.value.delay == 10
    circuit = bench.destinations._lanes["pacs"].circuit
    circuit.probe_every = 3600
    with pytest.raises(Retry, match="is down"):
        await bench.deliver(request)
    circuit.probe_every = 0
    with pytest.raises(Retry, match="no connection"):
        await bench.deliver(request)
    orthanc.start()
    assert (await bench.deliver(request)).delivered == 3


async def test_a_circuit_closes_though_nobody_has_anything_to_send(
    bench: Bench, orthanc: Orthanc, store: Store
) -> None:
    """What waited for it went by another sender, or was cancelled; then a destination that is removed is forgotten."""
    await bench.orthanc(orthanc)
    request = requested(Part(store).ct(3))
    orthanc.kill()
    for _ in range(3):
        with pytest.raises(Retry, match="no connection"):
            await bench.deliver(request)
    await bench.destinations.look_again()
    assert circuit_open("pacs") == 1
    orthanc.start()
    async with asyncio.timeout(30):
        while circuit_open("pacs"):
            await asyncio.sleep(bench.settings.probe_seconds / 4)
            await bench.destinations.look_again()
    orthanc.kill()
    for _ in range(3):
        with pytest.raises(Retry, match="no connection"):
            await bench.deliver(request)
    assert circuit_open("pacs") == 1
    async with bench.database.session() as session:
        await session.execute(delete(Destination))
    await bench.destinations.look_again()
    assert circuit_open("pacs") is None
    orthanc.start()


async def test_what_is_acknowledged_but_not_there_is_looked_for_again_and_then_reported(
    sqlite: Database, orthanc: Orthanc, store: Store
) -> None:
    bench = Bench(sqlite, store, count_tries=3)
    await bench.orthanc(orthanc)
    part = Part(store).ct(4)
    delivered = await bench.deliver(requested(part))
    lost = orthanc.api("POST", "/tools/lookup", content=sorted(part.uids)[0]).json()[0]["ID"]
    orthanc.api("DELETE", f"/instances/{lost}").raise_for_status()
    delays = []
    for _ in range(2):
        with pytest.raises(Retry, match="1 instances") as caught:
            await bench.complete(delivered)
        delays.append(caught.value.delay)
        bench.restart()
    assert delays == [10, 60]
    assert await bench.complete(delivered) == [
        TransferFailed(transfer="t1", reason="pacs: 1 instances that were acknowledged are not found there", refused=0)
    ]


async def test_what_is_indexed_late_is_found_later(bench_on_both: Bench, orthanc: Orthanc, store: Store) -> None:
    bench = bench_on_both
    await bench.orthanc(orthanc)
    part = Part(store).ct(2)
    delivered = await bench.deliver(requested(part))
    late = part.outgoing()[0]
    lost = orthanc.api("POST", "/tools/lookup", content=late.sop_instance_uid).json()[0]["ID"]
    orthanc.api("DELETE", f"/instances/{lost}").raise_for_status()
    with pytest.raises(Retry):
        await bench.complete(delivered)
    orthanc.api("POST", "/instances", content=late.file.read_bytes()).raise_for_status()
    assert await bench.complete(delivered) == [TransferCompleted(transfer="t1", delivered=2, quarantined=0, counted=2)]
    assert (await bench.delivery()).counted == 2


async def test_a_destination_that_goes_down_before_the_count(bench: Bench, orthanc: Orthanc, store: Store) -> None:
    await bench.orthanc(orthanc)
    delivered = await bench.deliver(requested(Part(store).ct(2)))
    orthanc.kill()
    with pytest.raises(Retry, match="no connection"):
        await bench.complete(delivered)
    assert (await bench.delivery()).count_tries == 0
    orthanc.start()
    assert await bench.complete(delivered) == [TransferCompleted(transfer="t1", delivered=2, quarantined=0, counted=2)]


@contextmanager
def scp(store: Callable[[evt.Event], int]) -> Iterator[int]:
    """A storage SCP that answers each C-STORE as told; its port."""
    ae = AE("SCP")
    ae.supported_contexts = AllStoragePresentationContexts
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert server is not None
    assert server.socket is not None
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


async def test_not_more_at_once_than_the_destination_wants(sqlite: Database, store: Store) -> None:
    bench = Bench(sqlite, store, slot_seconds=0.5)
    guard, active, most, go = threading.Lock(), 0, 0, threading.Event()

    def slow(_: evt.Event) -> int:
        nonlocal active, most
        with guard:
            active += 1
            most = max(most, active)
        go.wait(60)
        with guard:
            active -= 1
        return 0

    with scp(slow) as port:
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=port, called_aet="SCP", associations=2)
        parts = [Part(store, source_series=f"1.2.{number}").ct(1) for number in range(6)]
        sending = [asyncio.create_task(bench.deliver(requested(part))) for part in parts]
        async with asyncio.timeout(60):
            while active < 2 or sum(each.done() for each in sending) < 4:
                await asyncio.sleep(0.05)
        go.set()
        said = await asyncio.gather(*sending, return_exceptions=True)
    assert most == 2
    busy = [(each.why, each.delay) for each in said if isinstance(each, Retry)]
    assert busy == [("pacs is busy", 10)] * 4
    assert sum(isinstance(each, SeriesDelivered) for each in said) == 2


async def test_without_room_to_decompress_it_is_tried_again_and_nothing_is_refused(
    sqlite: Database, tmp_path: Path
) -> None:
    """The destination takes nothing compressed, and the disk is full: that is no fault of the image."""
    with small_disk(tmp_path / "small", 4) as disk, scp(lambda _: 0) as port:
        bench = Bench(sqlite, Store(disk))
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=port, called_aet="SCP")
        request = requested(Part(bench.store).add("MR_small_RLE.dcm"))
        fill(disk / "filled")
        with pytest.raises(Retry, match="the disk is full") as caught:
            await bench.deliver(request)
        assert caught.value.delay == 60
        (disk / "filled").unlink()
        done = await bench.deliver(request)
    assert (done.delivered, done.refused) == (1, 0)


async def test_a_peer_without_room_is_asked_again_and_given_up_only_after_a_long_time(
    sqlite: Database, store: Store
) -> None:
    bench = Bench(sqlite, store, patience_hours=1)
    part = Part(store).ct(2)
    large = part.instances[0].sop_instance_uid
    request = requested(part)
    asked: list[str] = []

    def answer(event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        asked.append(str(event.request.AffectedSOPInstanceUID))
        return 0xA700 if asked[-1] == large else 0

    with scp(answer) as port:
        await bench.destination("pacs", "dicom", host="127.0.0.1", port=port, called_aet="SCP")
        delays = []
        for _ in range(8):
            with pytest.raises(Retry, match="cannot take 1 of 2") as caught:
                await bench.deliver(request)
            delays.append(caught.value.delay)
        assert delays == [10, 10, 60, 60, 60, 600, 600, 600]
        assert len(asked) == 9
        async with sqlite.session() as session:
            before = now() - timedelta(hours=2)
            await session.execute(update(SentInstance).values(first_sent_at=before))
        delivered = await bench.deliver(request)
        assert (delivered.delivered, delivered.refused) == (1, 1)
        reason = "refused by pacs: 1 × 0xA700 out of resources"
        assert await bench.complete(delivered) == [TransferFailed(transfer="t1", reason=reason, refused=1)]
    assert len(asked) == 9


async def test_what_can_never_work_is_rejected(bench: Bench, store: Store) -> None:
    part = Part(store).ct(1)
    with pytest.raises(Reject, match="no destination"):
        await bench.deliver(requested(part, "nowhere"))
    await bench.destination("odd", "dicom", host="x")
    with pytest.raises(Reject, match="called_aet"):
        await bench.deliver(requested(part, "odd"))
    with pytest.raises(Reject, match="the manifest lists 1 instances, the event 2"):
        await bench.deliver(requested(part, "odd").model_copy(update={"instances": 2}))
    with pytest.raises(Reject, match="not there"):
        await bench.deliver(requested(part, "odd").model_copy(update={"manifest": "anonymized/none.json"}))
    with pytest.raises(Reject, match="leads out"):
        await bench.deliver(requested(part, "odd").model_copy(update={"manifest": "../../etc/passwd"}))
