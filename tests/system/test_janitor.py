"""The janitor at a real gateway: report, word, kill -9 in the middle, what comes again afterwards, no byte left."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components import dcmtk
from tests.components.disks import fill, small_disk
from tests.components.postgres import PostgreSQL
from tests.components.process import LOOPBACK, wait_until
from tests.studies import Study, ct_study
from tests.system.gateway import ROOT, SERVICES, Gateway, ServiceProcess, running
from tests.system.modality import Modality

PROJECT = "CLEARED"
POLICIES = """
archive: {quota_gib: 0.000001, min_days: 0, unassigned_days: null}
anonymized: {quota_gib: 0.000001, min_days: 0, stopped_days: 0}
links: {days: 0}
"""
ROAD = (*SERVICES, "audit")


@pytest.fixture
def gateway(tmp_path: Path, rabbitmq_vhost: str, postgres_database: str) -> Iterator[Gateway]:
    """On a broker and a database, with two janitors."""
    policies = tmp_path / "policies.yaml"
    policies.write_text(POLICIES)
    settings = {
        "FIONA_BUS_URL": rabbitmq_vhost,
        "FIONA_DATABASE_URL": postgres_database,
        "FIONA_ANONYMIZER_WORKERS": "1",
        "FIONA_JANITOR_POLICIES": str(policies),
        "FIONA_JANITOR_EVERY_SECONDS": "4",
        "FIONA_JANITOR_POLL_SECONDS": "0.3",
        "FIONA_JANITOR_PAGE": "1",
        "FIONA_JANITOR_IN_HAND": "1",
        "FIONA_JANITOR_YOUNG_SECONDS": "0",
    }
    gateway = Gateway(tmp_path, settings, groups=(ROAD, ("janitor",)))
    gateway.processes["another"] = ServiceProcess(("janitor",), tmp_path / "another", gateway.settings)
    with running(gateway):
        gateway.add_project(PROJECT, {"kind": "folder", "config": {}})
        yield gateway


def send(gateway: Gateway, files: list[Path]) -> None:
    with Modality(files, gateway.dicom_port) as modality:
        modality.wait_for(len(files))


def in_archive(gateway: Gateway, study: Study) -> int:
    return len(list((gateway.data / f"archive/scp_{study.study_instance_uid}").glob("*.dcm")))


def delivered(gateway: Gateway) -> int:
    return len(list((gateway.data / "outbox").rglob("*.dcm")))


def gone(gateway: Gateway, study: Study) -> bool:
    return gateway.call("GET", f"/studies/{study.study_instance_uid}")["removed_at"] is not None


def fiona(gateway: Gateway, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command line, by the gateway's own token."""
    address = f"http://{LOOPBACK}:{gateway.api_port}"
    token = (gateway.data.parent / "token").read_text().strip()
    environment = os.environ | {"FIONA_API": address, "FIONA_TOKEN": token, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def runs(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = gateway.call("GET", f"/janitor/runs?kind={kind}")["items"]
    return found


def test_what_is_whole_goes_whatever_is_killed_and_what_is_not_stays(
    gateway: Gateway, postgres: PostgreSQL, postgres_database: str, tmp_path: Path
) -> None:
    studies = [ct_study(tmp_path / f"{number}", images=2) for number in range(3)]
    waiting = ct_study(tmp_path / "waiting", images=2)
    for study in (*studies, waiting):
        send(gateway, study.files)
    for study in studies:
        gateway.assign(study.study_instance_uid, PROJECT, "P1")
    gateway.wait_delivered(6)
    assert delivered(gateway) == 6

    shown = fiona(gateway, "janitor", "dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "archive" in shown.stdout
    assert sum(in_archive(gateway, each) for each in studies) == 6, "nothing goes before a person has said so"
    wait_until(lambda: runs(gateway, "report")[0]["state"] == "done", 240, "a report")
    assert fiona(gateway, "janitor", "go", "--yes").returncode == 0

    # Killed as soon as something is gone, the janitor and then all owners; it ends all the same.
    for victim in ("janitor", "receiver"):
        wait_until(lambda: any(gone(gateway, each) for each in studies), 240, "the first removal", every=0.1)
        gateway.processes[victim].kill()
        gateway.processes[victim].start()
    wait_until(lambda: all(gone(gateway, each) for each in studies), 240, "all removals", every=0.2)
    wait_until(lambda: sum(in_archive(gateway, each) for each in studies) == 0, 240, "their files", every=0.2)
    assert in_archive(gateway, waiting) == 2, "nobody has assigned it"
    assert delivered(gateway) == 6
    wait_until(lambda: not list((gateway.data / "archive/.removed").glob("*")), 240, "what was put aside", every=0.2)
    links = [gateway.data / f"raw/{study.study_instance_uid}" for study in studies]
    wait_until(lambda: not any(each.exists() for each in links), 240, "their links", every=0.2)
    gateway.call("POST", "/janitor/stop")

    # What is gone cannot be sent again from here, and says so; it can when it has come again.
    first = studies[0]
    again = {"project": PROJECT, "study": first.study_instance_uid, "reason": "again"}
    gateway.call("POST", "/resends", json=again)
    wait_until(lambda: len(gateway.transfers()) == 4, 240, "the resend")
    assert "have left the archive" in last(gateway, "failed")["error"]
    send(gateway, first.files)
    wait_until(lambda: not gone(gateway, first), 240, "the study in the catalogue again")
    assert in_archive(gateway, first) == 2
    time.sleep(2)
    assert len(gateway.transfers()) == 4, "what was transferred is not transferred because it comes again"
    gateway.call("POST", "/resends", json=again)
    wait_until(lambda: len(gateway.transfers()) == 5, 240, "the second resend")
    assert last(gateway, "completed")["instances"] == 2

    # Files that the catalogue has lost go the road again; a file that is lost is told.
    new = ct_study(tmp_path / "new", images=2)
    folder = gateway.data / f"archive/scp_{new.study_instance_uid}"
    folder.mkdir()
    import pydicom

    for file in new.files:
        os.rename(file, folder / f"{pydicom.dcmread(file).SOPInstanceUID}.dcm")
    next((gateway.data / f"archive/scp_{waiting.study_instance_uid}").glob("*.dcm")).unlink()
    found = fiona(gateway, "doctor")
    assert found.returncode == 1, found.stderr
    assert "file_without_row" in found.stdout
    assert "ask the sender for the study again" in found.stdout
    examined(gateway, "heal")

    def healed() -> bool:
        return "file_without_row" not in {each["sort"] for each in examined(gateway, "examine")}

    wait_until(healed, 240, "what the doctor has healed", every=1)
    assert gateway.call("GET", f"/studies/{new.study_instance_uid}")["instances"] == 2
    query = "SELECT study_instance_uid FROM audit_entries WHERE operation = 'retention_applied'"
    removed = {each.study_instance_uid for each in studies}
    database = postgres_database.rpartition("/")[2]
    wait_until(lambda: removed <= set(postgres.sql(query, database).split()), 240, "the audit's word of it")
    sweeps = [each for each in runs(gateway, "sweep") if each["removed"].get("archive")]
    assert 0 < sum(each["removed"]["archive"]["files"] for each in sweeps) <= 6, "no file was removed by two"


def examined(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """What an examination finds."""
    order = gateway.call("POST", "/janitor/runs", json={"kind": kind})["id"]

    def ended() -> bool:
        mine = [each for each in runs(gateway, kind) if each["order"] == order]
        return bool(mine) and mine[0]["state"] == "done"

    wait_until(ended, 240, f"to {kind}", every=0.3)
    found: list[dict[str, Any]] = gateway.call("GET", f"/janitor/runs/{order}/findings")["items"]
    return found


def last(gateway: Gateway, state: str) -> dict[str, Any]:
    """The latest transfer, when it has ended so."""
    wait_until(lambda: gateway.transfers()[0]["state"] == state, 240, f"a transfer that is {state}", every=0.2)
    return gateway.transfers()[0]


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with its database on a disk of its own, with a janitor that has work as soon as that is full.

    The disk is so large that the janitor's reserve holds what SQLite's journal may still want, and what it writes back.
    """
    policies = tmp_path / "policies.yaml"
    policies.write_text("archive: {min_days: 0}\nanonymized: {min_days: 0}\n")
    settings = {
        "FIONA_ANONYMIZER_WORKERS": "1",
        "FIONA_JANITOR_POLICIES": str(policies),
        "FIONA_JANITOR_EVERY_SECONDS": "2",
        "FIONA_JANITOR_POLL_SECONDS": "0.3",
    }
    with (
        small_disk(tmp_path / "data", 1200),
        running(Gateway(tmp_path, settings, groups=(ROAD, ("janitor",)))) as gateway,
    ):
        gateway.add_project(PROJECT, {"kind": "folder", "config": {}})
        yield gateway


def free(gateway: Gateway) -> int:
    volume = os.statvfs(gateway.data)
    return volume.f_bavail * volume.f_frsize


def test_it_makes_room_when_not_a_byte_is_left(full: Gateway, tmp_path: Path) -> None:
    gateway, reserve, janitor = full, full.data / ".reserve", full.processes["janitor"]
    study = ct_study(tmp_path / "study", images=2)
    send(gateway, study.files)
    gateway.assign(study.study_instance_uid, PROJECT, "P1")
    gateway.wait_delivered(2)
    gateway.call("POST", "/janitor/runs", json={"kind": "report"})
    wait_until(lambda: any(each["state"] == "done" for each in runs(gateway, "report")), 240, "a report")
    gateway.call("POST", "/janitor/go")
    wait_until(reserve.exists, 240, "the reserve")
    assert in_archive(gateway, study) == 2, "there is room enough"

    janitor.stop()
    fill(gateway.data / "of somebody else")
    assert free(gateway) == 0
    janitor.wait_for_ready = False
    janitor.start()
    wait_until(lambda: in_archive(gateway, study) == 0, 240, "the originals to go", every=0.2)
    wait_until(lambda: gone(gateway, study), 240, "the catalogue to say so")
    assert not reserve.exists()
    assert free(gateway) > 0

    def told() -> bool:
        lines = map(json.loads, janitor.log.read_text().split("\n")[:-1])  # the last may be on its way
        return [each["files"] for each in lines if (each["event"], each.get("policy")) == ("removed", "archive")] == [2]

    wait_until(told, 240, "the line of the log that says how much was removed")
    dcmtk.dcmsend(gateway.dicom_port, tmp_path / "study", calling="CT1")
    assert in_archive(gateway, study) == 0, "what was given up is for those who make room"

    (gateway.data / "of somebody else").unlink()
    wait_until(reserve.exists, 240, "the reserve again")
    send(gateway, study.files)
    wait_until(lambda: in_archive(gateway, study) == 2, 240, "the study again")
