"""The receiver against real senders and one that misbehaves, with and without the data path."""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from struct import pack

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta, write_meta
from shared.dicom.scan import scan
from shared.store import valid_uid
from tests.components.dcmtk import dcmsend, echoscu, storescu
from tests.components.process import wait_until
from tests.components.raw_peer import (
    ABORT,
    ASSOCIATE_RJ,
    CT,
    EXPLICIT,
    P_DATA,
    RELEASE_RP,
    VERIFICATION,
    RawPeer,
    associate,
    command,
    echo,
    pdu,
    pdv,
    store,
)
from tests.components.receiver import LocalReceiver

CT_SMALL = Path(str(get_testdata_file("CT_small.dcm")))
CONTENT = CT_SMALL.read_bytes()
META = read_meta(CONTENT)
DATASET = CONTENT[META.dataset :]
UID = META.sop_instance_uid


@pytest.fixture(params=[True, False], ids=["data path", "pynetdicom"])
def data_path(request: pytest.FixtureRequest) -> bool:
    """Whether the data path is on: each test runs both ways."""
    return bool(request.param)


@pytest.fixture
def receiver(data_path: bool, tmp_path: Path) -> Iterator[LocalReceiver]:
    """A receiver with short time-outs."""
    impatient = {"network_timeout": 2, "acse_timeout": 2, "grace": 1}
    with LocalReceiver(tmp_path / "data", data_path=data_path, **impatient) as local:
        yield local


@pytest.fixture
def patient(data_path: bool, tmp_path: Path) -> Iterator[LocalReceiver]:
    """A receiver with time-outs that a hundred associations on two busy cores can keep."""
    with LocalReceiver(tmp_path / "data", data_path=data_path) as local:
        yield local


def dataset_of(path: Path) -> bytes:
    """The stored dataset, without File Meta."""
    content = path.read_bytes()
    return content[read_meta(content).dataset :]


def stored_one(receiver: LocalReceiver) -> bool:
    """Whether exactly the test instance is there, published, and nothing else is left."""
    published = receiver.settled()
    return (
        [dataset_of(path) for path in receiver.archived()] == [DATASET]
        and [i.sop_instance_uid for i in published] == [UID]
        and receiver.leftovers() == []
    )


def nothing_left(receiver: LocalReceiver) -> bool:
    """Whether nothing was kept, published or left behind."""
    return receiver.settled() == [] and receiver.archived() == [] and receiver.leftovers() == []


def still_serves(receiver: LocalReceiver) -> bool:
    """Whether the next sender is served as if nothing had happened."""
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*store(CT, UID, DATASET))
        return peer.receive().status == 0 and peer.release().kind == RELEASE_RP and stored_one(receiver)


def whole_files() -> list[Path]:
    """Every file of pydicom's wheel that names its instance properly and is whole, one per SOP Instance UID."""
    files: dict[str, Path] = {}
    for path in sorted(Path(CT_SMALL).parent.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        try:
            meta = read_meta(content)
            found = scan(content, meta.transfer_syntax_uid, meta.dataset)
        except Unparsable:
            continue
        uids = (
            found.study_instance_uid,
            found.series_instance_uid,
            found.sop_instance_uid,
            found.sop_class_uid,
        )
        if all(map(valid_uid, uids)) and found.sop_class_uid == meta.sop_class_uid:
            files.setdefault(found.sop_instance_uid, path)
    return list(files.values())


def test_echo(receiver: LocalReceiver) -> None:
    assert echoscu(receiver.port).returncode == 0
    assert nothing_left(receiver)


def test_every_test_file_is_stored_as_it_came(receiver: LocalReceiver) -> None:
    files = whole_files()
    syntaxes = set()
    for path in files:
        content = path.read_bytes()
        meta = read_meta(content)
        found = scan(content, meta.transfer_syntax_uid, meta.dataset)
        syntaxes.add(meta.transfer_syntax_uid)
        with RawPeer.associated(receiver.port, [found.sop_class_uid], meta.transfer_syntax_uid) as peer:
            peer.send(*store(found.sop_class_uid, found.sop_instance_uid, content[meta.dataset :], 100_000))
            assert peer.receive().status == 0, path.name
            assert peer.release().kind == RELEASE_RP
        kept = receiver.store.root / receiver.store.instance(found.study_instance_uid, found.sop_instance_uid)
        assert dataset_of(kept) == content[meta.dataset :]
        stored = read_meta(kept.read_bytes())
        assert stored.transfer_syntax_uid == meta.transfer_syntax_uid
        assert stored.sop_instance_uid == found.sop_instance_uid
    assert len(files) > 60
    assert len(syntaxes) > 8
    assert {i.sop_instance_uid for i in receiver.settled()} == {
        read_meta(path.read_bytes()).sop_instance_uid for path in receiver.archived()
    }
    assert receiver.leftovers() == []


def test_dcmsend_sends_many_syntaxes_at_once(receiver: LocalReceiver, tmp_path: Path) -> None:
    names = ["CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "image_dfl.dcm", "SC_rgb_jpeg_dcmtk.dcm"]
    for name in names:
        (tmp_path / name).write_bytes(Path(str(get_testdata_file(name))).read_bytes())
    done = dcmsend(receiver.port, *(tmp_path / name for name in names), options=("-nuc",))
    assert done.returncode == 0, done.stdout
    assert len(receiver.settled()) == len(names)


def test_private_sop_class_and_private_transfer_syntax(receiver: LocalReceiver) -> None:
    private, syntax = "1.3.12.2.1107.5.9.1", "1.2.826.0.1.3680043.2.9999.1"
    dataset = DATASET.replace(b"1.2.840.10008.5.1.4.1.1.2\0", private.encode().ljust(26, b"\0"))
    with RawPeer.associated(receiver.port, [private], syntax) as peer:
        peer.send(*store(private, UID, dataset))
        assert peer.receive().status == 0
    (instance,) = receiver.settled()
    assert (instance.sop_class_uid, instance.transfer_syntax_uid) == (private, syntax)


def test_the_same_again_changes_nothing(receiver: LocalReceiver) -> None:
    for _ in range(3):
        assert storescu(receiver.port, CT_SMALL, CT_SMALL).returncode == 0
    assert [i.sop_instance_uid for i in receiver.settled()] == [UID]
    assert len(receiver.archived()) == 1
    assert receiver.leftovers() == []


def test_other_bytes_under_the_same_uid_are_kept_and_flagged(receiver: LocalReceiver) -> None:
    other = DATASET[:-1] + bytes([DATASET[-1] ^ 1])
    with RawPeer.associated(receiver.port) as peer:
        for dataset in (DATASET, other, other, DATASET):
            peer.send(*store(CT, UID, dataset))
            assert peer.receive().status == 0
    published = receiver.settled()
    assert [i.conflict for i in published] == [False, True]
    assert [dataset_of(receiver.store.root / i.path) for i in published] == [DATASET, other]
    assert len(receiver.archived()) == 2


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """A short explicit element."""
    return pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


STUDY = element(0x0020000D, b"UI", b"1.3.6.1.4.1.5962.1.2.1.20040119072730.12322\0")
SERIES = element(0x0020000E, b"UI", b"1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322\0")

REFUSED = {
    "truncated": (DATASET[:-100], 0xC000),
    "cut in its header": (DATASET[:1000], 0xC000),
    "empty": (b"", 0xC001),
    "garbage": (bytes(random.Random(1).randbytes(5000)), 0xC000),
    "no StudyInstanceUID": (DATASET.replace(STUDY, b""), 0xC001),
    "no SeriesInstanceUID": (DATASET.replace(SERIES, b""), 0xC002),
    "StudyInstanceUID of 66 characters": (
        DATASET.replace(STUDY, element(0x0020000D, b"UI", b"1." * 32 + b"12")),
        0xC001,
    ),
    "StudyInstanceUID that climbs": (
        DATASET.replace(STUDY, element(0x0020000D, b"UI", b"../../../../etc/passwd")),
        0xC001,
    ),
    "another instance in the dataset": (DATASET.replace(UID.encode(), UID[:-1].encode() + b"9"), 0xC005),
    "another SOP class in the dataset": (DATASET.replace(b"5.1.4.1.1.2\0", b"5.1.4.1.1.4\0"), 0xA900),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_kept_is_refused_and_leaves_nothing(receiver: LocalReceiver, case: str) -> None:
    dataset, status = REFUSED[case]
    assert dataset != DATASET
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*store(CT, UID, dataset))
        answer = peer.receive()
        assert answer.status == status
        assert 0 < len(answer.element(0x0902)) <= 64
        peer.send(*store(CT, UID, DATASET))
        assert peer.receive().status == 0
        assert peer.release().kind == RELEASE_RP
    assert stored_one(receiver)


def test_a_lying_group_length_is_harmless(receiver: LocalReceiver) -> None:
    group = DATASET[8:].find(pack("<HH", 0x0010, 0x0010)) + 8
    lying = DATASET[:group] + element(0x00100000, b"UL", pack("<L", 0xFFFFFF00)) + DATASET[group:]
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*store(CT, UID, lying))
        assert peer.receive().status == 0
    assert [dataset_of(path) for path in receiver.archived()] == [lying]


@pytest.mark.parametrize("uid", ["1." * 32 + "12", "../../etc/passwd", "1.2..3", "x"])
def test_a_bad_uid_in_the_request(receiver: LocalReceiver, uid: str) -> None:
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*store(CT, uid, DATASET))
        answer = peer.receive()
        # pynetdicom on its own aborts at what it cannot put into its objects.
        assert answer.kind == ABORT or answer.status == 0xC006
        assert answer.kind == P_DATA or not receiver.data_path
    assert nothing_left(receiver)


def test_fragments_of_one_byte(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as peer:
        head = command(1, CT, UID)
        content = b"".join(pdu(P_DATA, pdv(head[i : i + 1], 1)) for i in range(len(head) - 1))
        content += pdu(P_DATA, pdv(head[-1:], 3))
        content += b"".join(pdu(P_DATA, pdv(DATASET[i : i + 1], 0)) for i in range(2000))
        content += pdu(P_DATA, b"".join(pdv(DATASET[i : i + 100], 0) for i in range(2000, 30_000, 100)))
        content += pdu(P_DATA, pdv(DATASET[30_000:], 0) + pdv(b"", 2))
        peer.trickle(content[:500])
        peer.send(content[500:])
        assert peer.receive().status == 0
        assert peer.release().kind == RELEASE_RP
    assert stored_one(receiver)


def test_a_whole_message_in_one_pdu(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as peer:
        peer.send(pdu(P_DATA, pdv(command(1, CT, UID), 3) + pdv(DATASET[:100], 0) + pdv(DATASET[100:], 2)))
        assert peer.receive().status == 0
    assert stored_one(receiver)


def test_two_messages_and_the_release_in_one_packet(receiver: LocalReceiver) -> None:
    if not receiver.data_path:
        pytest.skip("pynetdicom's reactor aborts a release that does not wait for the answer")
    with RawPeer.associated(receiver.port) as peer:
        whole = b"".join(store(CT, UID, DATASET))
        peer.send(whole + whole + b"\x05\0\0\0\0\x04\0\0\0\0")
        assert [peer.receive().status, peer.receive().status] == [0, 0]
        assert peer.receive().kind == RELEASE_RP
    assert stored_one(receiver)


def test_echo_between_stores(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as peer:
        for _ in range(2):
            peer.send(*store(CT, UID, DATASET))
            assert peer.receive().status == 0
            peer.send(echo(3))
            assert peer.receive().status == 0
        assert peer.release().kind == RELEASE_RP
    assert stored_one(receiver)


def test_an_echo_split_over_pdus_is_handed_over_whole(receiver: LocalReceiver) -> None:
    head = command(0x30, VERIFICATION)
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*(pdu(P_DATA, pdv(head[i : i + 10], 1, 3)) for i in range(0, 60, 10)))
        peer.send(pdu(P_DATA, pdv(head[60:], 3, 3)))
        assert peer.receive().status == 0
        assert peer.release().kind == RELEASE_RP


STRAY = {
    "a dataset without a command": pdu(P_DATA, pdv(DATASET, 2)),
    "an unknown PDU": pdu(0x42, b"abc"),
    "a PDU of four gigabytes": b"\x04\0\xff\xff\xff\xff" + bytes(100),
    "a release of four gigabytes": b"\x05\0\xff\xff\xff\xff" + bytes(100),
    "a PDU longer than announced": pdu(P_DATA, pdv(command(1, CT, UID), 3)) + pdu(P_DATA, pdv(bytes(300_000), 0)),
    "a PDV longer than its PDU": pdu(P_DATA, b"\0\0\xff\xff\1\3abc"),
    "a PDV without content": pdu(P_DATA, b"\0\0\0\0"),
    "a rejected context": b"".join(store(CT, UID, DATASET, context=99)),
    "an association in an association": associate([(CT, [EXPLICIT])], "RAW", "FIONA"),
    "noise": random.Random(2).randbytes(3000),
}


@pytest.mark.parametrize("case", STRAY)
def test_what_breaks_the_protocol_ends_the_association(receiver: LocalReceiver, case: str) -> None:
    with RawPeer.associated(receiver.port) as peer:
        try:
            peer.send(STRAY[case])
        except ConnectionError:
            return
        assert peer.ends()
    assert nothing_left(receiver)
    assert still_serves(receiver)


def test_abort_in_mid_pdu(receiver: LocalReceiver) -> None:
    whole = b"".join(store(CT, UID, DATASET, 16_000))
    for cut in (3, 50, 200, 20_000, len(whole) - 1):
        peer = RawPeer.associated(receiver.port)
        peer.send(whole[:cut])
        peer.close()
    assert nothing_left(receiver)
    assert still_serves(receiver)


def test_an_orderly_abort_between_fragments(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as peer:
        peer.send(*store(CT, UID, DATASET, 1000)[:-3], pdu(ABORT, b"\0\0\0\0"))
        assert peer.ends()
    assert nothing_left(receiver)


def test_senders_that_fall_silent_are_cut_off(receiver: LocalReceiver) -> None:
    """Between two messages, in a PDU's head, in a command, in a dataset; each with the whole of the time-out."""

    def fall_silent_after(octets: int) -> bool:
        with RawPeer.associated(receiver.port) as peer:
            peer.send(b"".join(store(CT, UID, DATASET))[:octets])
            return peer.ends()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(fall_silent_after, (0, 3, 40, 5000)))
    assert nothing_left(receiver)


def test_a_sender_that_trickles_is_cut_off(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as peer:
        with pytest.raises(ConnectionError):
            peer.trickle(store(CT, UID, DATASET)[1][:300], pause=0.2)
        assert peer.ends()
    assert nothing_left(receiver)


def test_connections_that_say_nothing_are_closed(receiver: LocalReceiver) -> None:
    peers = [RawPeer(receiver.port) for _ in range(5)]
    assert echoscu(receiver.port).returncode == 0
    for peer in peers:
        with peer:
            assert peer.ends()


def test_a_context_without_transfer_syntax_is_rejected(receiver: LocalReceiver) -> None:
    with RawPeer(receiver.port) as peer:
        peer.send(associate([(CT, [])], "RAW", "FIONA"))
        assert peer.receive().kind in (ASSOCIATE_RJ, ABORT)
    assert still_serves(receiver)


def test_all_presentation_contexts_there_can_be(receiver: LocalReceiver) -> None:
    from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts

    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:128]]
    assert CT in classes
    with RawPeer(receiver.port) as peer:
        peer.send(associate([(uid, ALL_TRANSFER_SYNTAXES) for uid in classes], "RAW", "FIONA"))
        answer = peer.receive()
        assert answer.kind == 2
        accepted = [answer.body[i + 6] for i in _contexts(answer.body)]
        assert accepted == [0] * 128


def _contexts(body: bytes) -> Iterator[int]:
    """Where the presentation context items of an A-ASSOCIATE-AC begin."""
    position = 68
    while position < len(body):
        if body[position] == 0x21:
            yield position
        position += 4 + int.from_bytes(body[position + 2 : position + 4])


def test_a_hundred_associations_at_once(patient: LocalReceiver) -> None:
    def one(number: int) -> int:
        uid = f"1.2.3.{number}"
        dataset = DATASET.replace(
            element(0x00080018, b"UI", UID.encode() + b"\0" * (len(UID) % 2)),
            element(0x00080018, b"UI", uid.encode() + b"\0" * (len(uid) % 2)),
        )
        with RawPeer(patient.port, timeout=60) as peer:
            peer.send(associate([(CT, [EXPLICIT])], "RAW", "FIONA"))
            assert peer.receive().kind == 2
            opened.append(number)
            while len(opened) < 100:
                time.sleep(0.01)
            peer.send(*store(CT, uid, dataset))
            status = peer.receive().status
            assert peer.release().kind == RELEASE_RP
            return status

    opened: list[int] = []
    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(one, range(1, 101))) == [0] * 100
    assert sorted(i.sop_instance_uid for i in patient.settled()) == sorted(f"1.2.3.{n}" for n in range(1, 101))
    assert len(patient.archived()) == 100
    assert patient.leftovers() == []


def test_many_senders_of_the_same_instance(patient: LocalReceiver) -> None:
    def one(_: int) -> int:
        with RawPeer.associated(patient.port) as peer:
            peer.send(*store(CT, UID, DATASET))
            return peer.receive().status

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(32))) == [0] * 32
    assert stored_one(patient)


def test_pynetdicom_as_sender(receiver: LocalReceiver) -> None:
    ae = AE("PYNETDICOM")
    ae.add_requested_context(CTImageStorage, EXPLICIT)
    association = ae.associate("127.0.0.1", receiver.port, max_pdu=0)
    assert association.is_established
    assert association.send_c_store(dcmread(CT_SMALL)).Status == 0
    association.release()
    (instance,) = receiver.settled()
    assert instance.sop_instance_uid == UID


def test_events_say_who_called_whom(receiver: LocalReceiver) -> None:
    assert storescu(receiver.port, CT_SMALL, calling="SCANNER", called="ANYBODY").returncode == 0
    receiver.settled()
    received, closed = receiver.bus.events()
    assert received.model_dump(include={"calling_aet", "called_aet", "caller_ip"}) == {
        "calling_aet": "SCANNER",
        "called_aet": "ANYBODY",
        "caller_ip": "127.0.0.1",
    }
    assert closed.model_dump() == {"association": received.association, "instances": 1, "heartbeat": False}


def test_stopping_lets_an_instance_finish(patient: LocalReceiver) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        RawPeer.associated(patient.port) as idle,
        RawPeer.associated(patient.port) as peer,
    ):
        pdus = store(CT, UID, DATASET, 1000)
        peer.send(*pdus[:10])
        patient.in_the_middle()
        stopped = pool.submit(patient.receiver.stop)
        assert idle.ends(), "it is stopping"
        peer.send(*pdus[10:])
        assert peer.receive().status == 0
        assert peer.ends()
        stopped.result(60)
    assert stored_one(patient)


def test_stopping_cuts_off_the_idle_at_once_and_the_slow_after_the_grace(receiver: LocalReceiver) -> None:
    with RawPeer.associated(receiver.port) as idle, RawPeer.associated(receiver.port) as slow:
        slow.send(*store(CT, UID, DATASET, 1000)[:10])
        receiver.in_the_middle()
        start = time.monotonic()
        receiver.receiver.stop()
        assert time.monotonic() - start > 0.9, "it was given its time"
        assert idle.ends()
        assert slow.ends()
    assert nothing_left(receiver)


def test_no_thread_and_no_descriptor_is_left(receiver: LocalReceiver) -> None:
    import threading

    def used() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    def go() -> None:
        for _ in range(5):
            with RawPeer.associated(receiver.port) as peer:
                peer.send(*store(CT, UID, DATASET))
                peer.receive()
                peer.release()
            RawPeer.associated(receiver.port).close()
            RawPeer(receiver.port).close()
        receiver.settled()

    go()
    before = used()
    go()
    wait_until(lambda: used() <= before, 60, "the end of what was used")


def test_the_file_meta_is_ours(receiver: LocalReceiver) -> None:
    assert still_serves(receiver)
    (kept,) = receiver.archived()
    assert kept.read_bytes() == write_meta(CT, UID, EXPLICIT, "RAW", "FIONA") + DATASET
