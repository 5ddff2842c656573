"""What is sent to exhaust or to deceive: to the running receiver, to the running api, and into what people open."""

import codecs
import csv
import gzip
import io
import select
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pydicom.uid import UID

from services.registry.bundle import write_bundle
from shared.store import Store
from tests.components.process import LOOPBACK, free_port, wait_until
from tests.components.raw_peer import ASSOCIATE_AC, CT, EXPLICIT, RawPeer, associate, store
from tests.components.receiver import LocalReceiver, ReceiverProcess
from tests.integration.test_receiver_bad_days import DATASET, META
from tests.system.gateway import ServiceProcess

DEFLATED = "1.2.840.10008.1.2.1.99"


def test_a_request_for_an_association_that_trickles_is_cut_off(tmp_path: Path) -> None:
    with LocalReceiver(tmp_path, network_timeout=1, acse_timeout=1) as receiver, RawPeer(receiver.port) as peer:
        with pytest.raises(OSError):
            peer.trickle(associate([(CT, [EXPLICIT])], "SLOW", "FIONA"), pause=0.1)
        wait_until(lambda: not receiver.associations(), 60, "the end")


def test_no_address_keeps_out_all_others(tmp_path: Path) -> None:
    with LocalReceiver(tmp_path, max_associations=4, max_associations_per_address=2) as receiver:
        mine = [RawPeer.associated(receiver.port) for _ in range(2)]
        with RawPeer(receiver.port) as third:
            assert third.ends()
        with RawPeer(receiver.port, source="127.0.0.2") as other:
            other.send(associate([(CT, [EXPLICIT])], "OTHER", "FIONA"))
            assert other.receive().kind == ASSOCIATE_AC
        for peer in mine:
            peer.close()
        wait_until(lambda: not receiver.associations(), 60, "their ends")
        RawPeer.associated(receiver.port).close()


def bomb() -> bytes:
    """Some hundred kilobytes that inflate to more than may be."""
    packer = zlib.compressobj(6, wbits=-15)
    zeros = bytes(1 << 24)
    return b"".join([packer.compress(DATASET), *(packer.compress(zeros) for _ in range(17)), packer.flush()])


def test_datasets_that_inflate_to_too_much_are_refused_within_bounds(tmp_path: Path) -> None:
    content = bomb()
    with ReceiverProcess(tmp_path / "receiver") as receiver:
        peers = [RawPeer.associated(receiver.port, (CT,), DEFLATED) for _ in range(4)]
        for peer in peers:
            peer.socket.settimeout(120)
            peer.send(*store(CT, META.sop_instance_uid, content, 100_000))
        process = psutil.Process(receiver.process.pid)
        most = 0
        for peer in peers:
            while not select.select([peer.socket], [], [], 0.05)[0]:
                most = max(most, process.memory_info().rss)
            assert peer.receive().status == 0xC000
            peer.close()
        assert most < 1200 << 20
        assert receiver.archived() == []


@pytest.mark.parametrize("uid", ["../../../outside", "1.2/../../3", "/etc/passwd", "1.2.\0.3", "1.2.3;rm", "%2e%2e/x"])
def test_uids_that_would_lead_out_of_the_store(tmp_path: Path, uid: str) -> None:
    before = UID("1.3.6.1.4.1.5962.1.2.1.20040119072730.12322")
    assert before.encode() in DATASET
    evil = uid.encode().ljust(len(before) + len(before) % 2, b"\0")
    dataset = DATASET.replace(before.encode().ljust(len(evil), b"\0"), evil)
    with LocalReceiver(tmp_path / "deep" / "data") as receiver:
        with RawPeer.associated(receiver.port) as peer:
            peer.send(*store(CT, uid, DATASET))
            assert peer.receive().status != 0
            if dataset != DATASET:
                peer.send(*store(CT, META.sop_instance_uid, dataset))
                assert peer.receive().status != 0
            peer.release()
        assert receiver.archived() == []
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"data"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The api as a process of its own; its address."""
    folder, port = tmp_path_factory.mktemp("api"), free_port()
    settings = {"FIONA_DATA": str(folder / "data"), "FIONA_API_PORT": str(port), "FIONA_API_BODY_BYTES": "1000"}
    with ServiceProcess(("api",), folder / "process", settings):
        yield f"http://{LOOPBACK}:{port}"


def test_a_packed_body_is_not_unpacked(api: str) -> None:
    packed = gzip.compress(b'{"login": "' + b"a" * 10_000_000 + b'"}')
    for path in ("/api/v1/session", "/dicomweb/studies"):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        assert httpx.post(api + path, content=packed, headers=headers, timeout=60).status_code in (400, 413, 415, 422)


@pytest.mark.parametrize(
    "path", ["/api/v1/../../etc/passwd", "/api/v1/studies/..%2f..%2fetc", "/%2e%2e/%2e%2e/etc/passwd"]
)
def test_paths_that_would_lead_out(api: str, path: str) -> None:
    assert httpx.get(httpx.URL(api).copy_with(raw_path=path.encode()), timeout=60).status_code in (401, 404, 422)


def test_a_request_without_an_end_is_given_up_and_one_too_long_is_not_read(api: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2000):
            yield bytes(1 << 16)

    try:
        answer = httpx.post(f"{api}/api/v1/session", content=endless(), headers={"Content-Type": "application/json"})
        assert answer.status_code == 413
    except httpx.TransportError:
        pass  # it hangs up while we still talk
    assert httpx.get(f"{api}/livez", timeout=60).status_code == 200


def test_no_cell_of_an_export_is_a_formula(store: Store, tmp_path: Path) -> None:
    rows: list[list[Any]] = [["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", "\tx"], ["Ø001", -5, 3.5, None, "a=b"]]
    target = tmp_path / "export.zip"
    write_bundle(target, store, {}, {}, {"participants.csv": (["a", "b", "c", "d", "e"], rows)}, [])
    with zipfile.ZipFile(target) as bundle:
        content = bundle.read("participants.csv")
    assert content.startswith(codecs.BOM_UTF8), "a spreadsheet knows by it which letters these are"
    read = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert all(cell.startswith("'") for cell in read[1])
    assert read[2] == ["Ø001", "-5", "3.5", "", "a=b"]
