"""Which files can be sent, how they are packed into associations, and what is said of each."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage  # type: ignore[attr-defined]

from cli.dicom.files import Sendable, Skipped, files, look
from cli.dicom.node import Node
from cli.dicom.store import batches, store
from cli.failure import Code, Failure
from shared.scu.statuses import NO_ANSWER, SOP_CLASS_NOT_SUPPORTED


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path)


def sendable(path: Path) -> Sendable:
    found = look(path)
    assert isinstance(found, Sendable)
    return found


def made_up(sop_class: str, syntax: str) -> Sendable:
    return Sendable(Path("x"), sop_class, generate_uid(), syntax, "1.2", 1, "", 0)


def test_looking_decodes_nothing_and_names_the_instance() -> None:
    path = bundled("CT_small.dcm")
    found, dataset = sendable(path), dcmread(path)
    assert found.sop_instance_uid == dataset.SOPInstanceUID
    assert found.study_instance_uid == dataset.StudyInstanceUID
    assert found.transfer_syntax_uid == ExplicitVRLittleEndian
    assert found.size == path.stat().st_size
    assert path.read_bytes()[found.dataset :][:4] == b"\x08\x00\x05\x00"


def test_the_same_dataset_has_the_same_digest_whatever_the_meta(tmp_path: Path) -> None:
    dataset = dcmread(bundled("CT_small.dcm"))
    dataset.file_meta.ImplementationVersionName = "OTHER"
    dataset.save_as(tmp_path / "other.dcm")
    assert sendable(tmp_path / "other.dcm").digest == sendable(bundled("CT_small.dcm")).digest
    assert sendable(bundled("MR_small_RLE.dcm")).digest != sendable(bundled("MR_small.dcm")).digest


@pytest.mark.parametrize(
    ("name", "reason"),
    [("DICOMDIR", "a DICOMDIR"), ("no_meta.dcm", "not a DICOM file"), ("rtplan.dump", "not a DICOM file")],
)
def test_what_is_not_sent(name: str, reason: str) -> None:
    path = bundled("CT_small.dcm").parent
    (found,) = (each for each in sorted(path.rglob(name))[:1])
    assert look(found) == Skipped(found, reason)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert look(tmp_path / "empty") == Skipped(tmp_path / "empty", "empty")
    assert look(tmp_path / "none") == Skipped(tmp_path / "none", "No such file or directory")


def test_files_below_a_folder_come_in_order(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a/3", "0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(path.relative_to(tmp_path)) for path in files([tmp_path])] == ["0", "a/3", "b/1", "b/2"]


def test_no_association_needs_more_than_128_contexts() -> None:
    many = [made_up(f"1.2.{number % 200}", f"1.3.{number % 2}") for number in range(600)]
    packed = batches(many)
    assert [len({(f.sop_class_uid, f.transfer_syntax_uid) for f in batch}) for batch in packed] == [128, 72]
    assert sum(map(len, packed)) == 600
    assert packed[0][:128] == many[:128]


@pytest.mark.parametrize(
    ("text", "node"),
    [("PACS@host:104", Node("PACS", "host", 104)), ("A B@[::1]:11112", Node("A B", "::1", 11112))],
)
def test_nodes(text: str, node: Node) -> None:
    assert Node.parse(text) == node
    assert str(node) == text


@pytest.mark.parametrize(
    "text", ["PACS", "PACS@host", "PACS@host:0", "PACS@host:99999", "@host:1", "SEVENTEENLETTERSX@h:1"]
)
def test_no_nodes(text: str) -> None:
    with pytest.raises(Failure) as failed:
        Node.parse(text)
    assert failed.value.code is Code.USAGE


class Peer:
    """A storage SCP that takes CT in two transfer syntaxes and MR in one, and answers as it is told."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.answers: list[int | str] = []
        self.calling = ""
        entity = AE(ae_title="PEER")
        entity.add_supported_context(CTImageStorage, [ExplicitVRLittleEndian, JPEG2000])
        entity.add_supported_context(MRImageStorage, ExplicitVRLittleEndian)
        handlers: Any = [(evt.EVT_C_STORE, self.take)]
        server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.server = server
        self.node = Node("PEER", "127.0.0.1", self.server.socket.getsockname()[1])

    def take(self, event: Any) -> int:
        self.calling = event.assoc.requestor.ae_title
        answer = self.answers.pop(0) if self.answers else 0
        if answer == "abort":
            event.assoc.abort()
            return 0
        self.received.append((event.request.AffectedSOPInstanceUID, event.encoded_dataset(include_meta=False)))
        assert isinstance(answer, int)
        return answer


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.server.shutdown()


def test_files_arrive_byte_by_byte(peer: Peer) -> None:
    ct, j2k = bundled("CT_small.dcm"), bundled("J2K_pixelrep_mismatch.dcm")
    outcomes = list(store([sendable(ct), sendable(bundled("693_J2KI.dcm"))], peer.node, "CALLER"))
    assert [outcome.stored for outcome in outcomes] == [True, True]
    assert peer.calling == "CALLER"
    assert ct.read_bytes().endswith(peer.received[0][1])
    assert [outcome.status for outcome in store([sendable(j2k)] * 2, peer.node, "CALLER")] == [
        SOP_CLASS_NOT_SUPPORTED
    ] * 2


def test_what_the_peer_says_is_said(peer: Peer) -> None:
    peer.answers = [0xA700, 0xB000, 0]
    outcomes = list(store([sendable(bundled("CT_small.dcm"))] * 3, peer.node, "CALLER"))
    assert [outcome.stored for outcome in outcomes] == [False, True, True]
    assert outcomes[0].reason() == "0xA700 out of resources"


def test_a_transfer_syntax_that_is_not_taken(peer: Peer) -> None:
    rle, plain = sendable(bundled("MR_small_RLE.dcm")), sendable(bundled("MR_small.dcm"))
    assert [outcome.status for outcome in store([rle, plain], peer.node, "CALLER")] == [SOP_CLASS_NOT_SUPPORTED, 0]


def test_a_lost_association_loses_nothing_silently(peer: Peer) -> None:
    peer.answers = [0, "abort"]
    outcomes = list(store([sendable(bundled("CT_small.dcm"))] * 3, peer.node, "CALLER"))
    assert [outcome.status for outcome in outcomes] == [0, NO_ANSWER, NO_ANSWER]
    assert "no answer" in outcomes[2].reason()


def test_the_dataset_is_right_when_the_meta_disagrees(peer: Peer, tmp_path: Path) -> None:
    dataset = dcmread(shutil.copy(bundled("CT_small.dcm"), tmp_path / "a.dcm"))
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=False)
    file = sendable(tmp_path / "a.dcm")
    assert [outcome.stored for outcome in store([file], peer.node, "CALLER")] == [True]
    assert peer.received[0][0] == dataset.SOPInstanceUID


def test_a_rejected_association(peer: Peer) -> None:
    peer.server.ae.require_called_aet = True
    node = Node("OTHER", peer.node.host, peer.node.port)
    with pytest.raises(Failure, match=r"no association .* rejected") as failed:
        list(store([sendable(bundled("CT_small.dcm"))], node, "CALLER"))
    assert failed.value.code is Code.UNREACHABLE
