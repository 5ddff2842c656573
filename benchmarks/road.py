"""The whole road: from the first C-STORE to the last acknowledgement at the research PACS.

Usage: python -m benchmarks.road [--count N] [--rounds N]
FIONA as in production, a process per service on RabbitMQ and PostgreSQL, everything on disk before it is answered;
beside it Orthanc alone, a Lua script that anonymizes and forwards each study once it is stable. Both send to the
same Orthanc and get the same studies from dcmsend, in turns. Both wait one second for late instances, which is
the least that Orthanc can be told; that waiting is measured too, and taken out in the rows that say so.
"""

import argparse
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.corpus import CACHE, ROOT, cached, ct_series
from benchmarks.measure import Row, backends, median, row, scratch
from tests.components import ComponentMissing, require
from tests.components.dcmtk import dcmsend
from tests.components.orthanc import Orthanc
from tests.components.process import LOOPBACK, wait_until
from tests.system.gateway import Gateway

QUIET: Final = 1
PROJECT: Final = "ROADBENCH"
STAGES: Final = ("receive", "index", "wait", "de-identify", "send")
Seconds = dict[str, float]

LUA: Final = """\
function OnStableStudy(studyId, tags, metadata)
   if metadata['AnonymizedFrom'] == nil then
      local answer = ParseJson(RestApiPost('/studies/' .. studyId .. '/anonymize', '{"Force": true}'))
      RestApiPost('/modalities/research/store', answer['ID'])
   end
end
"""
TUNED: Final[dict[str, Any]] = {
    "StableAge": QUIET,
    "StorageCompression": False,
    "ConcurrentJobs": 2,
    "SaveJobs": False,
    "StoreMD5ForAttachments": False,
    "LimitFindResults": 0,
    "DicomScuTimeout": 60,
}
"""What makes Orthanc faster at this, or waits less; everything else is as it comes."""


@contextmanager
def study(count: int, number: int) -> Iterator[tuple[str, Path]]:
    """The CT series under UIDs of its own: its StudyInstanceUID and its folder."""
    _, _, device = ROOT.rpartition("107.5.1.4.")
    other = f"{7000 + number}{device[4:]}"
    folder = CACHE / f"road-{count}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in cached(ct_series, count):
        (folder / path.name).write_bytes(path.read_bytes().replace(device.encode(), other.encode()))
    try:
        yield f"{ROOT}.1.1".replace(device, other), folder
    finally:
        shutil.rmtree(folder)


class Contender(ABC):
    """One of the two ways to the research PACS."""

    name: str
    port: int

    @abstractmethod
    def expect(self, study_uid: str) -> None:
        """Make known to whom the study will belong."""

    @abstractmethod
    def stages(self, began: float, received: float, ended: float) -> Seconds:
        """Where the time of the latest study went (times are seconds since the epoch)."""

    @abstractmethod
    def processes(self) -> dict[str, int]:
        """Its processes by name; their children count with them."""

    @abstractmethod
    def clear(self) -> None:
        """Finish what is under way and forget what is no longer needed."""

    def cpu(self) -> Seconds:
        """CPU seconds that its processes have taken so far."""
        return {name: _cpu(pid) for name, pid in self.processes().items()}


class Fiona(Contender):
    """The gateway."""

    name = "FIONA"

    def __init__(self, folder: Path, stack: ExitStack, research: Orthanc) -> None:
        servers = stack.enter_context(backends(folder))
        self._servers, self._postgres = servers, servers.postgres
        self._postgres.create_database("road")
        self.gateway = Gateway(
            folder / "gateway",
            {
                "FIONA_BUS_URL": servers.rabbitmq.fresh_vhost(),
                "FIONA_DATABASE_URL": self._postgres.url_of("road"),
                "FIONA_INDEXER_QUIET_SECONDS": str(QUIET),
                "FIONA_INDEXER_QUIET_AGREED_SECONDS": str(QUIET),
            },
        )
        stack.callback(self.gateway.kill)
        self.gateway.start()
        self.port = self.gateway.dicom_port
        config = {"host": LOOPBACK, "port": research.dicom_port, "called_aet": research.aet}
        self.gateway.add_project(PROJECT, {"kind": "dicom", "config": config})
        self._studies = 0

    def expect(self, study_uid: str) -> None:
        self._studies += 1
        entry = {"study_instance_uid": study_uid, "participant": f"P{self._studies:03}"}
        self.gateway.call("POST", f"/projects/{PROJECT}/coupling", json={"entries": [entry]})

    def stages(self, began: float, received: float, ended: float) -> Seconds:
        """From the ledger: when each subscription had handled its last message."""
        wait_until(self._all_completed, 60, "the transfer to be counted")
        at = {queue: self._handled(queue) for queue in self._queues()}
        indexed = max(received, at["indexer.instances.received.v1"], at["indexer.association.closed.v1"])
        arrived, anonymized = at["router.study.arrived.v1"], at["anonymizer.transfer.requested.v1"]
        return {
            "receive": received - began,
            "index": indexed - received,
            "wait": arrived - indexed,
            "de-identify": anonymized - arrived,
            "send": ended - anonymized,
            "count": at["router.transfer.completed.v1"] - ended,
        }

    def _queues(self) -> list[str]:
        return self._postgres.sql("SELECT DISTINCT queue FROM inbox", "road").split()

    def _handled(self, queue: str) -> float:
        latest = f"SELECT extract(epoch FROM max(handled_at)) FROM inbox WHERE queue = '{queue}'"
        return float(self._postgres.sql(latest, "road"))

    def processes(self) -> dict[str, int]:
        around = {"RabbitMQ": self._servers.rabbitmq, "PostgreSQL": self._servers.postgres}
        return {name: server.process.pid for name, server in (self.gateway.processes | around).items()}

    def _all_completed(self) -> bool:
        states = [item["state"] for item in self.gateway.transfers()]
        return states == ["completed"] * self._studies

    def clear(self) -> None:
        for name in ("archive", "raw", "anonymized"):
            shutil.rmtree(self.gateway.data / name, ignore_errors=True)


class Alone(Contender):
    """Orthanc with a Lua script."""

    name = "Orthanc alone"

    def __init__(self, folder: Path, stack: ExitStack, research: Orthanc) -> None:
        folder.mkdir()
        script = folder / "road.lua"
        script.write_text(LUA)
        peers = {"research": (research.aet, LOOPBACK, research.dicom_port)}
        self._orthanc = Orthanc(folder / "orthanc", "GATEWAY", peers, lua=[script], extra=TUNED)
        stack.callback(self._orthanc.kill)
        self._orthanc.start()
        self.port = self._orthanc.dicom_port

    def expect(self, study_uid: str) -> None:
        """It sends everything to the one place."""

    def stages(self, began: float, received: float, ended: float) -> Seconds:
        """From the times of its jobs."""
        wait_until(
            lambda: len(self._jobs()) == 2 and all(j["State"] == "Success" for j in self._jobs()), 60, "its jobs"
        )
        jobs = {job["Type"]: job for job in self._jobs()}
        started, anonymized = (
            _epoch(jobs["ResourceModification"][name]) for name in ("CreationTime", "CompletionTime")
        )
        return {
            "receive": received - began,
            "wait": started - received,
            "de-identify": anonymized - started,
            "send": ended - anonymized,
        }

    def _jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._orthanc.api("GET", "/jobs?expand").raise_for_status().json()
        return [job for job in found if _epoch(job["CreationTime"]) > self._cleared]

    def processes(self) -> dict[str, int]:
        return {"Orthanc": self._orthanc.process.pid}

    _cleared = 0.0

    def clear(self) -> None:
        self._orthanc.clear()
        self._cleared = time.time()


def _cpu(pid: int) -> float:
    """Seconds of a process and its children; those of PostgreSQL that have ended are in its own account."""
    total = 0.0
    top = psutil.Process(pid)
    for process in (top, *top.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _epoch(text: str) -> float:
    return datetime.strptime(text, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).timestamp()


def drive(contender: Contender, research: Orthanc, count: int, number: int) -> Seconds:
    """Send one study and wait until the research PACS holds all of it; seconds in all and by stage."""
    research.clear()
    with study(count, number) as (study_uid, folder):
        contender.expect(study_uid)
        before = contender.cpu()
        began = time.time()
        sent = dcmsend(contender.port, folder, called="GATEWAY" if isinstance(contender, Alone) else "FIONA")
        received = time.time()
        sent.check_returncode()
        wait_until(lambda: research.count() >= count, 300, f"{count} instances by way of {contender.name}")
        ended = time.time()
    seconds = {"whole": ended - began, **contender.stages(began, received, ended)}
    seconds |= {f"CPU, {name}": taken - before[name] for name, taken in contender.cpu().items()}
    assert research.count() == count, f"{contender.name} delivered too much"
    contender.clear()
    return seconds


def measure(count: int, rounds: int) -> dict[str, list[Seconds]]:
    """Each contender's seconds, round by round, in turns; one small study first, to warm up."""
    with scratch("road") as folder, ExitStack() as stack:
        research = Orthanc(folder / "research", "RESEARCH")
        stack.callback(research.kill)
        research.start()
        contenders: list[Contender] = [Fiona(folder, stack, research), Alone(folder / "alone", stack, research)]
        measured: dict[str, list[Seconds]] = {each.name: [] for each in contenders}
        for number, each in enumerate(contenders):
            drive(each, research, 20, number)
        for turn in range(1, rounds + 1):
            for number, each in enumerate(contenders):
                measured[each.name].append(drive(each, research, count, 10 * turn + number))
        return measured


def run(count: int = 400, rounds: int = 3) -> list[Row]:
    """Medians: the whole road, what is left of it without the waiting, and the stages."""
    case = f"{count} CT instances, 1 study"
    try:
        require("rabbitmq", "postgres", "orthanc", "dcmtk")
    except ComponentMissing:
        return [row("road", case, Alone.name, "instances/s", None, peer=True)]
    measured = measure(count, rounds)
    middle = {
        name: {stage: median([each[stage] for each in found]) for stage in found[0]}
        | {"working": median([each["whole"] - each["wait"] for each in found])}
        for name, found in measured.items()
    }
    ours, theirs = middle[Fiona.name], middle[Alone.name]
    rows = []
    for what, key in (("", "whole"), (", waiting taken out", "working")):
        rows.append(row("road", case + what, Fiona.name, "instances/s", count / ours[key]))
        ratio = theirs[key] / ours[key]
        rows.append(row("road", case + what, Alone.name, "instances/s", count / theirs[key], peer=True, ratio=ratio))
    for stage in (*STAGES, "count"):
        for name, found in middle.items():
            if stage in found:
                rows.append(row("road", f"stage: {stage}", name, "s", found[stage], peer=name != Fiona.name))
    for name, found in middle.items():
        spent = {key: seconds for key, seconds in found.items() if key.startswith("CPU")}
        rows.append(
            row("road", "CPU seconds of all processes", name, "s", sum(spent.values()), peer=name != Fiona.name)
        )
    rows += [row("road", "CPU seconds by process", key[5:], "s", ours[key]) for key in ours if key.startswith("CPU")]
    return rows


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    from benchmarks.report import show

    show(run(asked.count, asked.rounds))


if __name__ == "__main__":
    main()
