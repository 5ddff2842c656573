"""STOW-RS into a real journal: what is kept, what is refused, what is owed to the bus."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.uid import generate_uid

from shared.bus import Message
from shared.database import Database
from shared.events import AssociationClosed, Event, InstancesReceived
from shared.journal import Publisher
from tests.components.disks import small_disk
from tests.components.postgres import PostgreSQL
from tests.unit.api.support import Api, chunks, dicom, multipart, running, stow_type

STORED, FAILED, OTHER = "00081199", "00081198", "0008119A"
REAL = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "SC_rgb_rle.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm")


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite, tmp_path / "store") as api:
        yield api


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 2) as folder:
        yield folder


def real(name: str) -> bytes:
    """A file of the pydicom wheel."""
    [path] = [each for each in get_testdata_files(name) if Path(each).name == name]
    return Path(path).read_bytes()


async def store(
    api: Api, content: bytes | AsyncIterator[bytes], study: str | None = None, **headers: str
) -> httpx.Response:
    """Ask for it to be stored."""
    path = "/dicomweb/studies" + (f"/{study}" if study else "")
    given = {"content-type": stow_type(), "accept": "application/dicom+json"}
    return await api.client.post(path, content=content, headers=given | headers)


def items(answer: httpx.Response, tag: str) -> list[dict[str, Any]]:
    """The items of a sequence of the answer."""
    assert answer.headers["content-type"] == "application/dicom+json"
    found: list[dict[str, Any]] = answer.json().get(tag, {"Value": []})["Value"]
    return found


def reasons(answer: httpx.Response, tag: str = FAILED) -> list[int]:
    """The Failure Reasons."""
    return [each["00081197"]["Value"][0] for each in items(answer, tag)]


def sops(answer: httpx.Response, tag: str = STORED) -> list[str]:
    """The SOP Instance UIDs."""
    return [each["00081155"]["Value"][0] for each in items(answer, tag)]


class Listening:
    """As much of a bus as the publisher needs."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.events += [message.event() for message in messages]


def left(api: Api) -> list[str]:
    """Every file in the store that holds an instance or a part of one."""
    root = api.context.store.root
    return sorted(
        str(path.relative_to(root))
        for folder in ("archive", "journal")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.name != "lock"
    )


async def test_real_instances_are_kept_and_owed(api: Api) -> None:
    files = [real(name) for name in REAL]
    answer = await store(api, multipart(files))
    assert answer.status_code == 200, answer.text
    headers = [pydicom.dcmread(get_testdata_files(name)[0], force=True) for name in REAL]
    assert sops(answer) == [each.SOPInstanceUID for each in headers]
    assert items(answer, FAILED) == items(answer, OTHER) == []
    listening = Listening()
    await Publisher(api.journal, listening).flush()
    received = [each for each in listening.events if isinstance(each, InstancesReceived)]
    instances = [instance for each in received for instance in each.instances]
    assert {each.sop_instance_uid for each in instances} == set(sops(answer))
    assert {(each.calling_aet, each.called_aet) for each in received} == {("STOW-RS", "STOW-RS")}
    assert {each.caller_ip for each in received} == {"127.0.0.1"}
    [closed] = [each for each in listening.events if isinstance(each, AssociationClosed)]
    assert closed.instances == len(REAL)
    for header, instance in zip(
        headers, sorted(instances, key=lambda i: sops(answer).index(i.sop_instance_uid)), strict=True
    ):
        kept = pydicom.dcmread(api.context.store / instance.path)
        assert kept.file_meta.TransferSyntaxUID == header.file_meta.TransferSyntaxUID
        assert kept.SOPInstanceUID == header.SOPInstanceUID
        assert kept.get("PixelData") == header.get("PixelData")


async def test_good_and_bad_parts_together(api: Api) -> None:
    good, twin = dicom(sop="1.2.3.1"), dicom(sop="1.2.3.2", filler=3_000_000)
    bodies = [good, b"not DICOM", real("CT_small.dcm")[:-500], b"", twin, good]
    answer = await store(api, multipart(bodies))
    assert answer.status_code == 202
    assert sops(answer) == ["1.2.3.1", "1.2.3.2", "1.2.3.1"], "a duplicate is stored, too"
    assert reasons(answer) == [0xC000]
    assert reasons(answer, OTHER) == [0xC000, 0xC000]
    assert len([path for path in left(api) if path.startswith("archive")]) == 2
    assert not [path for path in left(api) if path.endswith(".part")]
    [path] = [each for each in left(api) if each.endswith("1.2.3.2.dcm")]
    assert (
        pydicom.dcmread(api.context.store / path)[0x00091010].value
        == pydicom.dcmread(io.BytesIO(twin))[0x00091010].value
    )


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_it_may_come_in_any_pieces(api: Api, size: int) -> None:
    content = multipart([dicom(sop="1.2.3.1", filler=3000), dicom(sop="1.2.3.2")])

    async def pieces() -> AsyncIterator[bytes]:
        for piece in chunks(content, size):
            yield piece

    answer = await store(api, pieces())
    assert (answer.status_code, sops(answer)) == (200, ["1.2.3.1", "1.2.3.2"])


async def test_nothing_that_can_be_kept(api: Api) -> None:
    answer = await store(api, multipart([b"nonsense", b""]))
    assert answer.status_code == 409
    assert reasons(answer, OTHER) == [0xC000, 0xC000]
    assert left(api) == []


async def test_the_study_of_the_path_is_the_only_one(api: Api) -> None:
    bodies = [dicom("1.2.1", "1.2.1.1"), dicom("1.2.2", "1.2.2.1")]
    answer = await store(api, multipart(bodies), study="1.2.1")
    assert (answer.status_code, sops(answer), sops(answer, FAILED)) == (202, ["1.2.1.1"], ["1.2.2.1"])
    assert reasons(answer) == [0xC001]
    assert [path for path in left(api) if path.startswith("archive")] == ["archive/scp_1.2.1/1.2.1.1.dcm"]
    deflated = pydicom.dcmread(get_testdata_files("image_dfl.dcm")[0])
    answer = await store(api, multipart([real("image_dfl.dcm")]), study=deflated.StudyInstanceUID)
    assert answer.status_code == 200
    assert (await store(api, multipart([real("image_dfl.dcm")]), study="1.2")).status_code == 409
    assert (await store(api, multipart(bodies), study="Doe^Jane")).status_code == 422


async def test_instances_that_name_themselves_wrongly(api: Api) -> None:
    bodies = [dicom(sop="1.2.3.1", StudyInstanceUID=""), dicom(sop="1.2.3.2", SeriesInstanceUID="")]
    answer = await store(api, multipart(bodies))
    assert (answer.status_code, reasons(answer)) == (409, [0xC001, 0xC002])
    assert sops(answer, FAILED) == ["1.2.3.1", "1.2.3.2"]


async def test_other_bytes_under_the_same_uid_are_kept_beside(api: Api) -> None:
    bodies = [dicom("1.2.1", "1.2.1.1"), dicom("1.2.1", "1.2.1.1", PatientID="other")]
    answer = await store(api, multipart(bodies))
    assert (answer.status_code, len(sops(answer))) == (200, 2)
    assert len([path for path in left(api) if path.startswith("archive")]) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"accept": "application/dicom+xml"}, 406),
        ({"accept": "application/dicom+json;q=0"}, 406),
        ({"accept": "text/html, */*;q=0.1"}, 200),
        ({"accept": "application/json"}, 200),
        ({"content-type": "application/dicom"}, 415),
        ({"content-type": 'multipart/related; type="application/dicom+json"; boundary=x'}, 415),
        ({"content-type": "multipart/related; boundary="}, 400),
        ({"content-type": stow_type("other")}, 400),
    ],
)
async def test_what_is_asked_and_answered_in(api: Api, headers: dict[str, str], status: int) -> None:
    answer = await store(api, multipart([dicom()]), **headers)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert left(api) == []


async def test_parts_of_other_types(api: Api) -> None:
    answer = await store(api, multipart([dicom()], part_type="text/plain"))
    assert (answer.status_code, reasons(answer, OTHER)) == (409, [0xC000])
    assert (await store(api, multipart([dicom()], part_type=None))).status_code == 200


async def test_bodies_that_break_off(api: Api) -> None:
    whole = multipart([dicom(sop="1.2.3.1"), dicom(sop="1.2.3.2")])
    for content in (b"", b"--x--\r\n", b"--x\r\n\r\n", whole[:300]):
        assert (await store(api, content)).status_code == 400, content
        assert left(api) == []
    answer = await store(api, whole[:-200])
    assert (answer.status_code, sops(answer), reasons(answer, OTHER)) == (202, ["1.2.3.1"], [0xC000])
    assert not [path for path in left(api) if path.endswith(".part")]


async def test_limits(sqlite: Database, tmp_path: Path) -> None:
    small = dicom(sop="1.2.3.1")
    bodies = [dicom(sop="1.2.3.2", filler=20_000), small]
    async with running(sqlite, tmp_path / "store", stow_part_bytes=10_000, stow_request_bytes=100_000) as api:
        answer = await store(api, multipart(bodies))
        assert (answer.status_code, sops(answer)) == (202, ["1.2.3.1"])
        assert (reasons(answer), sops(answer, FAILED)) == ([0xA700], ["1.2.3.2"])
        many = multipart([dicom(filler=9000) for _ in range(12)])
        answer = await store(api, many)
        assert answer.status_code == 413

        async def unannounced() -> AsyncIterator[bytes]:
            for piece in chunks(multipart([dicom(filler=200_000)]), 5000):
                yield piece

        before = left(api)
        assert (await store(api, unannounced())).status_code == 413
        assert left(api) == before


async def test_too_many_at_once_and_too_slow(sqlite: Database, tmp_path: Path) -> None:
    async with running(sqlite, tmp_path / "store", stow_requests=1, stow_idle_seconds=2) as api:
        begun = asyncio.Event()

        async def stalling() -> AsyncIterator[bytes]:
            yield multipart([dicom(filler=9000)])[:5000]
            begun.set()
            await asyncio.sleep(60)
            yield b""

        slow = asyncio.create_task(store(api, stalling()))
        await begun.wait()
        busy = await store(api, multipart([dicom()]))
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
        assert (await slow).status_code == 408
        assert left(api) == []
        assert (await store(api, multipart([dicom()]))).status_code == 200


async def test_a_request_that_is_cancelled_leaves_nothing(api: Api) -> None:
    begun = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield multipart([dicom(filler=3_000_000)])[:-100]
        begun.set()
        await asyncio.sleep(30)
        yield b""

    task = asyncio.create_task(store(api, stalling()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left(api) == []
    assert api.journal.associations() == []


async def test_many_at_once(api: Api) -> None:
    study = generate_uid()
    answers = await asyncio.gather(
        *(store(api, multipart([dicom(study, f"1.2.3.{n}.{i}") for i in range(5)])) for n in range(8))
    )
    assert {each.status_code for each in answers} == {200}
    assert len([path for path in left(api) if path.startswith("archive")]) == 40


async def test_a_full_disk_is_said_and_gets_over(sqlite: Database, full_disk: Path) -> None:
    async with running(sqlite, full_disk) as api:
        answer = await store(api, multipart([dicom(sop="1.2.3.1", filler=3_000_000)]))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert reasons(answer) == [0xA700]
        answer = await store(api, multipart([dicom(filler=3_000_000), dicom(sop="1.2.3.2")]))
        assert (answer.status_code, sops(answer), reasons(answer)) == (202, ["1.2.3.2"], [0xA700])
        assert not [path for path in left(api) if path.endswith(".part")]


async def test_the_answer_names_no_patient(api: Api) -> None:
    answer = await store(api, multipart([dicom(), dicom(StudyInstanceUID="")]))
    assert "Doe" not in json.dumps(answer.json())


async def test_the_database_is_away(postgres: PostgreSQL, postgres_database: str, tmp_path: Path) -> None:
    database = Database(postgres_database)
    await database.migrate()
    async with running(database, tmp_path / "store") as api:
        assert (await api.get("/studies")).status_code == 200
        postgres.stop_immediately()
        try:
            answer = await api.get("/studies")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json()["type"] == "urn:fiona:problem:database-unavailable"
            answer = await api.post("/projects", {"name": "ABCD-study"})
            assert answer.json()["type"] == "urn:fiona:problem:database-unavailable"
            assert (await api.client.get("/readyz")).status_code == 503
            assert (await store(api, multipart([dicom()]))).status_code == 200, "reception needs no database"
        finally:
            await asyncio.to_thread(postgres.ensure)
        assert (await api.post("/projects", {"name": "ABCD-study"})).status_code == 201
    await database.close()
