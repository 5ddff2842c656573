"""kill -9, a bus that is away, a disk that is full: what was acknowledged is never lost."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from pydicom.data import get_testdata_file

from shared.dicom.filemeta import read_meta
from tests.components.disks import fill, small_disk
from tests.components.process import wait_until
from tests.components.raw_peer import CT, RawPeer, store
from tests.components.receiver import LocalReceiver, ReceiverProcess

CONTENT = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
META = read_meta(CONTENT)
DATASET = CONTENT[META.dataset :]
OLD = META.sop_instance_uid.encode() + b"\0" * (len(META.sop_instance_uid) % 2)


def uid_of(number: int) -> str:
    """A UID whose padded form ends in a digit."""
    return f"1.2.3.{10_000 + number}"


def padded(number: int) -> str:
    """The SOP Instance UID of instance `number`, as long as the original's."""
    text = uid_of(number)
    return text + "1" * (len(OLD) - len(text))


def numbered(number: int, extra: int = 0) -> bytes:
    """Instance `number`."""
    trailing = b"\xfc\xff\xfc\xffOB\0\0" + extra.to_bytes(4, "little") + bytes(extra) if extra else b""
    return DATASET.replace(OLD, padded(number).encode()) + trailing


class Sender(Thread):
    """Sends numbered instances, one after the other, until the connection breaks; notes what was acknowledged."""

    def __init__(self, port: int, numbers: range) -> None:
        super().__init__()
        self._port = port
        self._numbers = numbers
        self.acknowledged: list[str] = []
        self.statuses: list[int] = []

    def run(self) -> None:
        try:
            with RawPeer.associated(self._port) as peer:
                for number in self._numbers:
                    peer.send(*store(CT, padded(number), numbered(number)))
                    status = peer.receive().status
                    self.statuses.append(status)
                    if status == 0:
                        self.acknowledged.append(padded(number))
                peer.release()
        except (OSError, EOFError):
            pass


def _enough(senders: list[Sender]) -> bool:
    """Whether so many are acknowledged that all senders are in full swing."""
    return sum(len(sender.acknowledged) for sender in senders) > 60


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ReceiverProcess]:
    """A receiver in a process of its own."""
    with ReceiverProcess(tmp_path / "receiver", FIONA_RECEIVER_GRACE="1") as receiver:
        yield receiver


def test_kill_9_again_and_again_loses_nothing(process: ReceiverProcess) -> None:
    acknowledged: list[str] = []
    for round_ in range(4):
        starts = [(3 * round_ + n) * 1000 for n in range(3)]
        senders = [Sender(process.port, range(start, start + 1000)) for start in starts]
        for sender in senders:
            sender.start()
        wait_until(partial(_enough, senders), 120, "acknowledgements")
        process.kill()
        for sender in senders:
            sender.join()
            acknowledged += sender.acknowledged
        process.start()
    wait_until(lambda: not process.owed(), 60, "publishing")
    published = process.published_instances()
    assert set(acknowledged) <= {i.sop_instance_uid for i in published}
    # At most the last of each association may have been kept without its answer getting through.
    assert len({i.sop_instance_uid for i in published}) - len(acknowledged) <= 12
    assert {process.data / i.path for i in published} == set(process.archived())
    assert not any(i.conflict for i in published)
    for each in published:
        assert (process.data / each.path).stat().st_size == each.size
    journal = process.data / "journal"
    assert [p.name for p in journal.rglob("*") if p.suffix in (".owed", ".part")] == []
    # Killed between publishing and clearing, it says so again.
    closed = {event.association for event in process.published() if event.name == "association.closed.v1"}
    assert len(closed) == 12


def test_a_dead_replica_is_paid_for_by_a_living_one(tmp_path: Path) -> None:
    data = tmp_path / "shared"
    with (
        ReceiverProcess(tmp_path / "a", data) as dead,
        ReceiverProcess(tmp_path / "b", data) as alive,
    ):
        dead.bus_away(True)
        sender = Sender(dead.port, range(40))
        sender.start()
        sender.join()
        assert len(sender.acknowledged) == 40
        time.sleep(1.5)
        assert alive.published() == []
        dead.kill()
        wait_until(lambda: len(alive.published_instances()) == 40, 60, "recovery")
        wait_until(lambda: not alive.owed(), 60, "clearing")
        assert [i.sop_instance_uid for i in alive.published_instances()] == sender.acknowledged


def test_receiving_goes_on_while_the_bus_is_away(process: ReceiverProcess) -> None:
    process.bus_away(True)
    senders = [Sender(process.port, range(n * 100, n * 100 + 50)) for n in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    acknowledged = [uid for sender in senders for uid in sender.acknowledged]
    assert len(acknowledged) == 150
    assert process.published() == []
    process.bus_away(False)
    wait_until(lambda: not process.owed(), 60, "publishing")
    assert sorted(i.sop_instance_uid for i in process.published_instances()) == sorted(acknowledged)


def test_what_is_owed_at_sigterm_is_published_by_the_next(process: ReceiverProcess) -> None:
    process.bus_away(True)
    sender = Sender(process.port, range(20))
    sender.start()
    sender.join()
    process.stop()
    process.bus_away(False)
    process.start()
    wait_until(lambda: not process.owed(), 60, "publishing")
    assert [i.sop_instance_uid for i in process.published_instances()] == sender.acknowledged


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 2) as folder:
        yield folder


@pytest.mark.parametrize("data_path", [True, False], ids=["data path", "pynetdicom"])
@pytest.mark.parametrize("before_first", [True, False], ids=["full at first", "fills up"])
def test_a_full_disk(disk: Path, data_path: bool, before_first: bool) -> None:
    with LocalReceiver(disk / "data", data_path=data_path) as receiver:
        ballast = disk / "ballast"
        if before_first:
            fill(ballast)
        kept: list[str] = []
        with RawPeer.associated(receiver.port) as peer:
            for number in range(8):
                peer.send(*store(CT, padded(number), numbered(number, 400_000)))
                answer = peer.receive()
                assert answer.status in (0, 0xA700)
                if answer.status == 0:
                    kept.append(padded(number))
            assert answer.status == 0xA700
            assert answer.element(0x0902).strip() == b"out of resources"
            assert bool(kept) is not before_first
            # An empty file may have been made ahead for the next instance.
            written = [path for path in receiver.leftovers() if path.stat().st_size]
            assert [path.name for path in written if path.suffix != ".owed"] == []
            assert len(receiver.archived()) == len(kept)
            if before_first:
                ballast.unlink()
            else:
                receiver.archived()[0].unlink()
                written[0].unlink()
            peer.send(*store(CT, padded(99), numbered(99)))
            assert peer.receive().status == 0
            peer.release()
        if before_first:
            assert [i.sop_instance_uid for i in receiver.settled()] == [padded(99)]
            assert receiver.leftovers() == []


def test_association_facts_survive(process: ReceiverProcess) -> None:
    process.bus_away(True)
    sender = Sender(process.port, range(1))
    sender.start()
    sender.join()
    (facts,) = process.facts()
    assert facts["calling_aet"] == "RAW"
    process.kill()
    process.bus_away(False)
    process.start()
    wait_until(lambda: not process.owed(), 60, "publishing")
    first = process.published()[0]
    assert json.loads(first.model_dump_json())["calling_aet"] == "RAW"
    assert first.association == facts["id"]
