"""The anonymizer's service on both databases: every instance written or quarantined, whatever happens in between."""

import errno
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread
from sqlalchemy import select

from deidentification import Subject
from services.anonymizer import handlers as anonymizer
from services.anonymizer.workers import Workers
from shared.crypto import Vault
from shared.database import Database
from shared.events import SeriesAnonymized, TransferFailed, TransferRequested
from shared.handlers import Retry
from shared.manifest import read_manifest
from shared.store import Store
from shared.tables import Instance, Project, ProjectProfile, QuarantinedInstance, Series, Study
from tests.studies import ACCESSION, PATIENT_ID, ct_study
from tests.studies import Study as StudyFiles

VAULT = Vault(b"k" * 32)
KEY = b"p" * 32


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers(count=1, batch=4)
    yield workers
    workers.close()


@pytest.fixture
async def archived(database: Database, store: Store, tmp_path: Path) -> StudyFiles:
    """A study of six instances in archive and catalogue, and the project that it goes to."""
    files = ct_study(tmp_path / "source", images=6)
    async with database.session() as session:
        session.add(Project(name="PROJECT", encrypted_key=VAULT.encrypt(KEY), destinations=["research"]))
        session.add(Study(study_instance_uid=files.study_instance_uid, patient="p"))
        await session.flush()
        for path in files.files:
            header = dcmread(path, stop_before_pixels=True)
            place = Store.instance(header.StudyInstanceUID, header.SOPInstanceUID)
            store.write(place, path.read_bytes())
            if await session.get(Series, header.SeriesInstanceUID) is None:
                session.add(
                    Series(series_instance_uid=header.SeriesInstanceUID, study_instance_uid=header.StudyInstanceUID)
                )
                await session.flush()
            session.add(
                Instance(
                    sop_instance_uid=header.SOPInstanceUID,
                    series_instance_uid=header.SeriesInstanceUID,
                    study_instance_uid=header.StudyInstanceUID,
                    sop_class_uid=header.SOPClassUID,
                    transfer_syntax_uid=header.file_meta.TransferSyntaxUID,
                    path=place,
                    size=path.stat().st_size,
                    association="a",
                    revision=1,
                )
            )
    return files


def requested(files: StudyFiles, **changes: object) -> TransferRequested:
    series = dcmread(files.files[0], stop_before_pixels=True).SeriesInstanceUID
    fields: dict[str, object] = {
        "transfer": "t1", "parts": 1, "project": "PROJECT", "participant": "P001", "event": "baseline",
        "destinations": ("research",), "profile": "basic", "study_instance_uid": files.study_instance_uid,
        "series_instance_uid": series, "revision": 1, "instances": 6, **changes,
    }  # fmt: skip
    return TransferRequested.model_validate(fields)


def archive_paths(store: Store) -> list[Path]:
    return sorted((store / "archive").rglob("*.dcm"))


async def quarantine(database: Database) -> list[QuarantinedInstance]:
    async with database.reading() as session:
        return list(await session.scalars(select(QuarantinedInstance)))


async def test_a_series_comes_out_whole_and_under_its_new_identity(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    (event,) = await anonymizer.anonymize(requested(archived), database, store, VAULT, workers)
    assert isinstance(event, SeriesAnonymized)
    assert (event.instances, event.quarantined) == (6, 0)
    manifest = read_manifest(store, event.manifest)
    subject = Subject("PROJECT", "P001", "baseline", KEY)
    assert manifest.study_instance_uid == event.target_study_instance_uid
    assert manifest.study_instance_uid == subject.new_uid(archived.study_instance_uid)
    assert len(manifest.instances) == 6
    for instance in manifest.instances:
        content = (store / instance.path).read_bytes()
        assert len(content) == instance.size
        for identity in (PATIENT_ID, ACCESSION, "Hansen", "Canary", archived.study_instance_uid):
            assert identity.encode() not in content
        assert dcmread(store / instance.path).PatientID == "P001"
    assert await quarantine(database) == []


async def test_twice_is_once_and_strangers_go(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    first = await anonymizer.anonymize(requested(archived), database, store, VAULT, workers)
    assert isinstance(first[0], SeriesAnonymized)
    folder = (store / first[0].manifest).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / ".half-written.part").write_bytes(b"half")
    assert await anonymizer.anonymize(requested(archived), database, store, VAULT, workers) == first
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_what_cannot_be_done_whole_stays_and_the_rest_goes_on(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    broken, gone, *_ = archive_paths(store)
    broken.write_bytes(broken.read_bytes()[:-100])
    gone.unlink()
    for _ in range(2):
        (event,) = await anonymizer.anonymize(requested(archived), database, store, VAULT, workers)
        assert isinstance(event, SeriesAnonymized)
        assert (event.instances, event.quarantined) == (4, 2)
    kept = {row.sop_instance_uid: row for row in await quarantine(database)}
    assert set(kept) == {broken.stem, gone.stem}
    assert {uid: row.rule for uid, row in kept.items()} == {broken.stem: "truncated", gone.stem: "missing"}
    assert not any(PATIENT_ID in row.reason + row.where for row in kept.values())


@pytest.mark.parametrize("changes", [{"project": "NOBODY"}, {"profile": "unheard-of"}, {"participant": "a\\b"}])
async def test_what_can_never_work_fails_the_transfer_and_says_why(
    database: Database, store: Store, workers: Workers, archived: StudyFiles, changes: dict[str, str]
) -> None:
    (event,) = await anonymizer.anonymize(requested(archived, **changes), database, store, VAULT, workers)
    assert isinstance(event, TransferFailed)
    assert event.reason
    assert not (store / "anonymized").exists()


async def test_a_catalogue_that_disagrees_is_waited_for(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    with pytest.raises(Retry, match="6 instances of 7"):
        await anonymizer.anonymize(requested(archived, instances=7), database, store, VAULT, workers)


async def test_a_part_without_a_file_is_called_what_its_files_would_be(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    for path in archive_paths(store):
        path.unlink()
    content = "name: keeping\nversion: '1'\nbase: basic\noptions: [retain-uids]\n"
    async with database.session() as session:
        session.add(ProjectProfile(project="PROJECT", version=1, name="keeping", content=content, digest="d"))
    kept = requested(archived, profile="keeping", profile_version=1)
    (event,) = await anonymizer.anonymize(kept, database, store, VAULT, workers)
    assert isinstance(event, SeriesAnonymized)
    assert (event.instances, event.quarantined) == (0, 6)
    manifest = read_manifest(store, event.manifest)
    assert event.target_study_instance_uid == manifest.study_instance_uid == archived.study_instance_uid
    assert manifest.series_instance_uid == kept.series_instance_uid


async def test_a_full_disk_is_the_worlds_fault(
    database: Database, store: Store, workers: Workers, archived: StudyFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(Retry) as caught:
        await anonymizer.anonymize(requested(archived), database, store, VAULT, workers)
    assert caught.value.delay is not None


def _command(process: psutil.Process) -> str:
    """What it runs; nothing, when it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


async def test_processes_that_die_are_replaced(
    database: Database, store: Store, workers: Workers, archived: StudyFiles
) -> None:
    first = await anonymizer.anonymize(requested(archived), database, store, VAULT, workers)
    working = [child for child in psutil.Process().children() if "spawn_main" in _command(child)]
    assert working
    for child in working:
        os.kill(child.pid, signal.SIGKILL)
    assert await anonymizer.anonymize(requested(archived), database, store, VAULT, workers) == first
