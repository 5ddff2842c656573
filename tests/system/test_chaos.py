"""A short bad day by a seed, and what must be found again after a loss; `make chaos` lives longer days."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.account import _rows, participants
from tests.chaos.day import Day
from tests.chaos.world import DISKS, World, world
from tests.components.fixtures import need
from tests.components.process import wait_until
from tests.integration.redcap_setting import PROJECT
from tests.studies import Study, ct_study
from tests.system.gateway import SERVICES
from tests.system.modality import Modality

SEED = 201
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def the_world() -> Iterator[World]:
    need("rabbitmq", "postgres", "orthanc")
    with world() as made:
        yield made


def fiona(where: World, *arguments: str) -> str:
    """A command beside the services; what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=where.gateway.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def send(where: World, name: str, images: int = 4) -> Study:
    study = ct_study(where.folder / name, images=images, rows=32, patient_id=f"CANARY{name}", accession=f"ACC{name}")
    with Modality(study.files, where.gateway.dicom_port) as modality:
        modality.wait_for(images)
    return study


def held(where: World, participant: str) -> int:
    return participants(where).get(participant, 0)


def test_a_bad_day(the_world: World) -> None:
    day = Day(SEED, seconds=14, senders=3, studies=2, images=10, patience=240).live(the_world)
    assert day.faults == []
    disks = {name: (the_world.folder / name).is_mount() for name in DISKS}
    idle = [act for act, did in day.acts if not did and disks.get(act.what, True)]
    assert idle == [], "an act that does nothing is no act"
    assert day.removals > 0
    assert day.figures["handled by an older version"] > 0


def test_consent_is_withdrawn_and_everything_dies_on_the_way(the_world: World) -> None:
    """Whoever is killed at whichever moment: all of the participant goes, and nothing of anybody else."""
    study = send(the_world, "consent", 20)
    the_world.gateway.assign(study.study_instance_uid, PROJECT, "WITHDRAWN")
    wait_until(lambda: held(the_world, "WITHDRAWN") > 0, 300, "the first image at the destination")
    before = {name: count for name, count in participants(the_world).items() if name != "WITHDRAWN"}
    made = the_world.gateway.call(
        "POST", f"/projects/{PROJECT}/participants/WITHDRAWN/withdrawal", json={"reason": "-"}
    )
    dice = random.Random(SEED)
    for name in dice.sample([*SERVICES[1:5], *SERVICES[1:5]], 6):
        time.sleep(dice.uniform(0, 0.8))
        the_world.gateway.processes[name].kill()
        the_world.gateway.processes[name].wait_for_ready = False
        the_world.gateway.processes[name].start()

    def done() -> bool:
        return bool(the_world.gateway.call("GET", f"/withdrawals/{made['id']}")["state"] == "done")

    wait_until(done, 300, "the withdrawal", every=0.5)
    assert participants(the_world) == before
    assert not (the_world.gateway.data / f"archive/scp_{study.study_instance_uid}").exists()
    assert not (the_world.gateway.data / f"raw/{study.study_instance_uid}").exists()
    removals = the_world.gateway.call("GET", f"/withdrawals/{made['id']}")["removals"]
    left = {each["service"]: each["left"] for each in removals if each["left"]}
    assert left.keys() <= {"redcap"}, "in REDCap a person removes"
    assert the_world.gateway.call("GET", "/counts")["dead"] == 0


def test_the_broker_loses_its_data(the_world: World) -> None:
    """Every kind of message was in it: received, asked for, to be delivered. All of it is in the database, too."""
    gateway = the_world.gateway
    gateway.processes["sender"].stop()
    first = send(the_world, "undelivered")
    gateway.assign(first.study_instance_uid, PROJECT, "KEEP01")
    wait_until(lambda: _state(the_world, "KEEP01") == "sending", 300, "the delivery asked for")
    gateway.processes["router"].stop()
    second = send(the_world, "unrouted")
    gateway.assign(second.study_instance_uid, PROJECT, "KEEP02")
    gateway.processes["indexer"].stop()
    third = send(the_world, "unindexed")
    journal = gateway.data / "journal"
    wait_until(lambda: not list(journal.glob("*/*/*.owed")), 120, "the receiver owes nothing")
    wait_until(lambda: _rows(the_world, "SELECT count(*) FROM outbox") == ["0"], 60, "the outbox owes nothing")
    the_world.rabbitmq.lose_everything()
    for name in ("sender", "router", "indexer"):
        gateway.processes[name].wait_for_ready = False
        gateway.processes[name].start()
    said = fiona(the_world, "republish", "--older-than", "0")
    assert "study.assigned.v1" in said
    assert "4 instances of 1 studies" in said
    wait_until(lambda: (held(the_world, "KEEP01"), held(the_world, "KEEP02")) == (4, 4), 300, "both delivered")
    gateway.assign(third.study_instance_uid, PROJECT, "KEEP03")
    wait_until(lambda: _state(the_world, "KEEP03") == "completed", 300, "the third, too", every=0.5)
    assert _state(the_world, "KEEP01") == _state(the_world, "KEEP02") == "completed"
    assert held(the_world, "KEEP03") == 4


def test_a_backup_comes_back_and_what_came_after_it_is_found(the_world: World, tmp_path: Path) -> None:
    """The database is lost; the store, and what the destination has, are as they were."""
    gateway = the_world.gateway
    before = send(the_world, "before")
    gateway.assign(before.study_instance_uid, PROJECT, "KEEP04")
    fiona(the_world, "backup", str(tmp_path / "backup"))
    wait_until(lambda: _state(the_world, "KEEP04") == "completed", 300, "the study of before", every=0.5)
    after = send(the_world, "after")
    gateway.assign(after.study_instance_uid, PROJECT, "KEEP05")
    wait_until(lambda: _state(the_world, "KEEP05") == "completed", 300, "the study of after", every=0.5)
    at_the_destination = the_world.orthanc.instances()

    gateway.kill()
    gateway.change(FIONA_DATABASE_URL=the_world.postgres.fresh_database())
    the_world.rabbitmq.lose_everything()
    assert "that nobody knew" in fiona(the_world, "restore", str(tmp_path / "backup"))
    gateway.start()
    wait_until(lambda: _state(the_world, "KEEP04") == "completed", 300, "the study of before, again", every=0.5)
    gateway.assign(after.study_instance_uid, PROJECT, "KEEP05")
    wait_until(lambda: _state(the_world, "KEEP05") == "completed", 300, "the study of after, again", every=0.5)
    assert the_world.orthanc.instances() == at_the_destination, "sent again it is the same"
    assert gateway.call("GET", "/counts")["dead"] == 0


def _state(where: World, participant: str) -> str | None:
    found: list[dict[str, Any]] = where.gateway.call("GET", "/transfers?limit=200")["items"]
    return next((each["state"] for each in found if each["participant"] == participant), None)
