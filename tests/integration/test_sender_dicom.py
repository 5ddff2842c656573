"""The DIMSE client against DCMTK and Orthanc."""

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from services.sender.clients import Answer, Client, Unavailable
from services.sender.clients.dicom import DicomClient
from shared.destinations import DicomDestination, Tls
from shared.destinations.echo import EchoFailed, echo
from shared.scu.statuses import NO_ANSWER, SOP_CLASS_NOT_SUPPORTED
from shared.store import Store
from tests.components.dcmtk import StoreSCP
from tests.components.fixtures import disposable
from tests.components.orthanc import Orthanc
from tests.unit.sender.builders import LOSSLESS, LOSSY, PLAIN, Part

pytestmark = pytest.mark.usefixtures("dcmtk")


def config(port: int, aet: str = "STORESCP", tls: Tls | None = None) -> DicomDestination:
    return DicomDestination(host="127.0.0.1", port=port, called_aet=aet, tls=tls, timeout=10)


async def send(client: Client, part: Part) -> dict[str, int]:
    answers = [answer async for batch in client.send(part.outgoing()) for answer in batch]
    assert len({answer.sop_instance_uid for answer in answers}) == len(answers)
    return {answer.sop_instance_uid: answer.status for answer in answers}


async def test_files_of_many_kinds_arrive_as_they_are(store: Store, tmp_path: Path) -> None:
    part = Part(store).add(*PLAIN, *LOSSLESS, *LOSSY).ct(3)
    with disposable(StoreSCP(tmp_path / "scp", options=["+xa", "+B"])) as scp:
        answers = await send(DicomClient(config(scp.port)), part)
        assert answers == dict.fromkeys(part.uids, 0)
        received = {dcmread(path).SOPInstanceUID: path for path in scp.files()}
    for each in part.outgoing():
        before, after = dcmread(each.file), dcmread(received[each.sop_instance_uid])
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        assert dataset_bytes(received[each.sop_instance_uid]) == dataset_bytes(each.file)


def dataset_bytes(path: Path) -> bytes:
    content = path.read_bytes()
    return content[144 + int.from_bytes(content[140:144], "little") :]


@pytest.mark.parametrize(("option", "syntax"), [("+x=", ExplicitVRLittleEndian), ("+xi", ImplicitVRLittleEndian)])
async def test_a_peer_of_one_transfer_syntax_gets_it(store: Store, tmp_path: Path, option: str, syntax: str) -> None:
    part = Part(store).add(*LOSSLESS, "MR_small.dcm", "MR_small_implicit.dcm")
    with disposable(StoreSCP(tmp_path / "scp", options=[option])) as scp:
        assert await send(DicomClient(config(scp.port)), part) == dict.fromkeys(part.uids, 0)
        received = {dataset.SOPInstanceUID: dataset for dataset in map(dcmread, scp.files())}
    for each in part.outgoing():
        before, after = dcmread(each.file), received[each.sop_instance_uid]
        assert after.SeriesInstanceUID == before.SeriesInstanceUID
        assert np.array_equal(after.pixel_array, before.pixel_array)
    if syntax == ImplicitVRLittleEndian:
        assert {dataset.file_meta.TransferSyntaxUID for dataset in received.values()} == {syntax}


async def test_what_the_peer_refuses_is_refused_and_the_rest_arrives(store: Store, tmp_path: Path) -> None:
    lossy = Part(store).add(*LOSSY)
    part = Part(store).add(*PLAIN)
    part.instances += lossy.instances
    with disposable(StoreSCP(tmp_path / "scp", options=["+x="])) as scp:
        answers = await send(DicomClient(config(scp.port)), part)
    assert answers == dict.fromkeys(part.uids, 0) | dict.fromkeys(lossy.uids, SOP_CLASS_NOT_SUPPORTED)


async def test_a_sop_class_that_nobody_takes(store: Store, tmp_path: Path) -> None:
    profile = tmp_path / "ct-only.cfg"
    profile.write_text(
        """\
[[TransferSyntaxes]]
[Uncompressed]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[CT]
PresentationContext1 = CTImageStorage\\Uncompressed
[[Profiles]]
[CTOnly]
PresentationContexts = CT
"""
    )
    part = Part(store).add("CT_small.dcm", "MR_small.dcm", "rtplan.dcm")
    with disposable(StoreSCP(tmp_path / "scp", options=["-xf", str(profile), "CTOnly"])) as scp:
        client = DicomClient(config(scp.port))
        assert sorted((await send(client, part)).values()) == [0, SOP_CLASS_NOT_SUPPORTED, SOP_CLASS_NOT_SUPPORTED]
        none = Part(store).add("MR_small.dcm", "rtplan.dcm")
        assert set((await send(client, none)).values()) == {SOP_CLASS_NOT_SUPPORTED}


async def test_an_abort_in_the_middle_keeps_what_was_answered(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(2)
    with disposable(StoreSCP(tmp_path / "scp", options=["--abort-after"])) as scp:
        stream = DicomClient(config(scp.port)).send(part.outgoing())
        assert await anext(stream) == [], "the way is open, and nothing is on it"
        answers = await anext(stream)
        with pytest.raises(Unavailable, match=r"aborted|closed|lost"):
            await anext(stream)
    assert answers == [Answer(part.instances[0].sop_instance_uid, NO_ANSWER)]


async def test_a_peer_that_refuses_associations(store: Store, tmp_path: Path) -> None:
    with disposable(StoreSCP(tmp_path / "scp", options=["--refuse"])) as scp:
        with pytest.raises(Unavailable, match="rejected"):
            await send(DicomClient(config(scp.port)), Part(store).ct(1))
        with pytest.raises(EchoFailed, match="association"):
            await echo("x", config(scp.port), tmp_path)


async def test_a_cancelled_delivery_lets_go_at_once(store: Store, tmp_path: Path) -> None:
    part = Part(store).ct(50)
    with disposable(StoreSCP(tmp_path / "scp", options=["--sleep-after", "1"])) as scp:
        client = DicomClient(config(scp.port), batch_seconds=0.1)
        stream = client.send(part.outgoing())

        async def run() -> None:
            async with aclosing(stream):
                async for _ in stream:
                    pass

        task = asyncio.create_task(run())
        async with asyncio.timeout(60):
            while not scp.files():
                await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 30)  # of fifty seconds


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that is its own authority, and one for us."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
                *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture
def tls_scp(certificates: Path, tmp_path: Path) -> Iterator[StoreSCP]:
    options = ["+xa", "+tls", str(certificates / "server.key"), str(certificates / "server.pem")]
    options += ["+cf", str(certificates / "client.pem")]
    with disposable(StoreSCP(tmp_path / "scp", options=options)) as scp:
        yield scp


async def test_mutual_tls(store: Store, certificates: Path, tls_scp: StoreSCP, tmp_path: Path) -> None:
    part = Part(store).ct(20, size=512)
    ours = {"cert_file": certificates / "client.pem", "key_file": certificates / "client.key"}
    tls = Tls(ca_file=certificates / "server.pem", **ours)
    assert await send(DicomClient(config(tls_scp.port, tls=tls)), part) == dict.fromkeys(part.uids, 0)
    assert {dcmread(path).SOPInstanceUID for path in tls_scp.files()} == part.uids
    await echo("x", config(tls_scp.port, tls=tls), tmp_path)


async def test_a_peer_whose_certificate_nobody_signed(store: Store, certificates: Path, tls_scp: StoreSCP) -> None:
    stranger = Tls(ca_file=certificates / "client.pem")
    with pytest.raises(Unavailable, match="SSLCertVerificationError"):
        await send(DicomClient(config(tls_scp.port, tls=stranger)), Part(store).ct(1))


@pytest.fixture
def research(orthanc: Orthanc) -> DicomClient:
    return DicomClient(config(orthanc.dicom_port, orthanc.aet))


async def test_orthanc_takes_all_and_confirms_it(
    store: Store, orthanc: Orthanc, research: DicomClient, tmp_path: Path
) -> None:
    part = Part(store).add(*PLAIN, *LOSSLESS, *LOSSY).ct(30)
    await echo("x", config(orthanc.dicom_port, orthanc.aet), tmp_path)
    found = await research.count(part.study, part.series)
    assert found is not None
    assert found.confirms(part.uids) == 0
    assert set((await send(research, part)).values()) == {0}
    found = await research.count(part.study, part.series)
    assert found is not None
    assert found.instances == part.uids
    assert orthanc.instances() == sorted(part.uids)
    for each in part.outgoing():
        stored = tmp_path / "stored.dcm"
        stored.write_bytes(orthanc.dicom(each.sop_instance_uid))
        before, after = dcmread(each.file), dcmread(stored)
        assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
        assert after.get("PixelData") == before.get("PixelData")


async def test_a_peer_without_c_find_cannot_be_asked(store: Store, tmp_path: Path) -> None:
    with disposable(StoreSCP(tmp_path / "scp")) as scp:
        assert await DicomClient(config(scp.port)).count("1.2", "1.3") is None
        await echo("x", config(scp.port), tmp_path)


async def test_nobody_to_ask() -> None:
    with pytest.raises(Unavailable, match="no connection"):
        await DicomClient(config(1)).count("1.2", "1.3")
