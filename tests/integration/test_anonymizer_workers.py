"""The anonymizer's processes: what one instance does to its process is that instance's fate, and nobody else's."""

import asyncio
import errno
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PosixPath

import psutil
import pytest
from pydicom import dcmread

from deidentification import BASIC, Subject
from deidentification.processes import Limits
from deidentification.profiles.model import Selector
from services.anonymizer.batch import Outcome, Work
from services.anonymizer.workers import Workers
from shared.handlers import Retry
from tests.studies import PATIENT_ID, ct_study

SUBJECT = Subject("PROJECT", "P001", "baseline", b"p" * 32)


class Crashing(PosixPath):
    """A file over which a decoder crashes."""

    def exists(self) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return True


class Hanging(PosixPath):
    """A file over which a decoder never ends."""

    def exists(self) -> bool:
        time.sleep(60)
        return True


class Filling(PosixPath):
    """A file that becomes far larger than it is."""

    def exists(self) -> bool:
        return bool(bytearray(1_000_000_000))


class OutOfReach(PosixPath):
    """A file on a store that does not answer."""

    def exists(self) -> bool:
        raise OSError(errno.ESTALE, "stale")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return ct_study(tmp_path_factory.mktemp("source"), images=10).files


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers(1, 4, Limits(seconds=5, megabytes=600))
    yield made
    made.close()


def work(files: list[Path], target: Path, **kinds: type[PosixPath]) -> Work:
    """The files as instances i0, i1, …; those that are named are of another kind."""
    sources = tuple((f"i{number}", kinds.get(f"i{number}", PosixPath)(path)) for number, path in enumerate(files))
    return Work(sources, target, SUBJECT, BASIC)


def rules(outcomes: list[Outcome]) -> list[str]:
    return [outcome.rule for outcome in outcomes]


@pytest.mark.parametrize(("kind", "rule"), [(Crashing, "crashed"), (Hanging, "timeout"), (Filling, "memory")])
async def test_an_instance_that_takes_its_process_along_is_quarantined_alone(
    workers: Workers, files: list[Path], tmp_path: Path, kind: type[PosixPath], rule: str
) -> None:
    done = await workers.run(work(files, tmp_path, i2=kind))
    assert [outcome.sop_instance_uid for outcome in done.outcomes] == [f"i{number}" for number in range(10)]
    assert rules(done.outcomes) == ["", "", rule, *[""] * 7]
    assert done.outcomes[2].reason.endswith(f"[{rule}]")
    for outcome in done.outcomes:
        assert (outcome.result is None) == (outcome.rule != "")
        if outcome.result is not None:
            assert dcmread(tmp_path / outcome.result.path).PatientID == "P001"


async def test_other_series_in_hand_do_not_notice(files: list[Path], tmp_path: Path) -> None:
    jobs = [work(files, tmp_path / "1", i1=Crashing, i5=Crashing), *(work(files, tmp_path / f"{n}") for n in (2, 3))]
    workers = Workers(2, 4)
    first, *others = await asyncio.gather(*map(workers.run, jobs))
    workers.close()
    assert rules(first.outcomes).count("crashed") == 2
    for other in others:
        assert rules(other.outcomes) == [""] * 10


async def test_a_process_that_is_killed_costs_nobody_an_instance(
    workers: Workers, files: list[Path], tmp_path: Path
) -> None:
    """As the system's killer does when another program fills the memory."""
    running = asyncio.create_task(workers.run(work(files * 20, tmp_path)))
    await asyncio.sleep(0.05)
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
    done = await running
    assert rules(done.outcomes) == [""] * 200


async def test_a_file_that_is_gone_stays_alone(workers: Workers, files: list[Path], tmp_path: Path) -> None:
    gone = [files[0], tmp_path / PATIENT_ID / "gone.dcm", *files[1:3], tmp_path / "gone too.dcm"]
    done = await workers.run(work(gone, tmp_path / "out"))
    assert rules(done.outcomes) == ["", "missing", "", "", "missing"]
    assert PATIENT_ID not in done.outcomes[1].reason


async def test_a_store_that_does_not_answer_is_waited_for(workers: Workers, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Retry, match="ESTALE"):
        await workers.run(work(files, tmp_path, i3=OutOfReach))


async def test_a_file_that_cannot_be_opened_is_waited_for(workers: Workers, files: list[Path], tmp_path: Path) -> None:
    """No permission, no descriptor left, a link that went in a circle: nothing that the instance is to blame for."""
    (tmp_path / "folder.dcm").mkdir()
    with pytest.raises(Retry):
        await workers.run(work([files[0], tmp_path / "folder.dcm"], tmp_path / "out"))


async def test_a_target_that_is_full_is_said_as_such(workers: Workers, files: list[Path]) -> None:
    with pytest.raises((OSError, Retry)):
        await workers.run(work(files, Path("/dev/full")))


async def test_what_the_profile_leaves_out_is_said(workers: Workers, files: list[Path], tmp_path: Path) -> None:
    profile = BASIC.model_copy(update={"drop": (Selector(modality="CT"),)})
    done = await workers.run(replace(work(files, tmp_path), profile=profile))
    assert all(outcome.left_out and outcome.rule and outcome.result is None for outcome in done.outcomes)
    assert done.kept == []


async def test_what_a_reviewer_released_passes_and_nothing_else(
    workers: Workers, files: list[Path], tmp_path: Path
) -> None:
    burned = []
    for number, path in enumerate(files[:3]):
        data = dcmread(path)
        data.BurnedInAnnotation = "YES"
        data.save_as(tmp_path / f"{number}.dcm")
        burned.append(tmp_path / f"{number}.dcm")
    released = {"i1": frozenset(("burned-in",))}
    done = await workers.run(replace(work(burned, tmp_path / "out"), released=released))
    assert rules(done.outcomes) == ["burned-in", "", "burned-in"]
    assert done.outcomes[0].where == "(0028,0301)"
    assert not any(outcome.left_out for outcome in done.outcomes)


async def test_what_is_left_is_counted_over_the_whole_series(
    workers: Workers, files: list[Path], tmp_path: Path
) -> None:
    done = await workers.run(work(files, tmp_path))
    kept = {(row.keyword, row.value): row.count for row in done.kept}
    assert kept["Modality", "CT"] == 10
    assert kept["PatientID", "P001"] == 10
    assert kept["SOPInstanceUID", None] == 10
    assert not any(PATIENT_ID in str(row) for row in done.kept)


async def test_a_workers_end_does_not_wait_for_a_hanging_instance(files: list[Path], tmp_path: Path) -> None:
    workers = Workers(1, 4)
    running = asyncio.create_task(workers.run(work(files, tmp_path, i0=Hanging)))
    await asyncio.sleep(0.2)
    started = time.monotonic()
    workers.close()
    assert time.monotonic() - started < 30, "what hangs does so for a minute"
    with pytest.raises(asyncio.CancelledError):
        await running
