"""Bad days on RabbitMQ, PostgreSQL and Orthanc: whatever dies, every image arrives once and is counted."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import wait_until
from tests.components.rabbitmq import RabbitMQ
from tests.studies import ACCESSION, PATIENT_ID, ct_study
from tests.system.gateway import SERVICES, Gateway, running
from tests.system.modality import Modality

PROJECT = "BADDAYS"


def destination(orthanc: Orthanc) -> dict[str, object]:
    config = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_aet": orthanc.aet}
    return {"kind": "dicom", "config": config}


@pytest.fixture
def gateway(tmp_path: Path, rabbitmq_vhost: str, postgres_database: str, orthanc: Orthanc) -> Iterator[Gateway]:
    """Every service a process of its own, with Orthanc as the research PACS of a project."""
    environment = {"FIONA_BUS_URL": rabbitmq_vhost, "FIONA_DATABASE_URL": postgres_database}
    with running(Gateway(tmp_path, environment)) as gateway:
        gateway.add_project(PROJECT, destination(orthanc))
        yield gateway


def assert_all_there(gateway: Gateway, orthanc: Orthanc, instances: int) -> None:
    """Every count agrees, nothing is dead, and no log line names the patient."""
    transfers = gateway.wait_delivered(instances)
    assert {item["state"] for item in transfers} == {"completed"}
    for count in ("instances", "anonymized", "delivered", "counted"):
        assert sum(item[count] for item in transfers) == instances, count
    counts = gateway.call("GET", "/counts")
    assert counts["instances"] == instances
    assert counts["conflicts"] == 0
    assert counts["dead"] == 0
    assert len(orthanc.instances()) == len(set(orthanc.instances())) == instances
    logs = gateway.logs()
    for identity in (PATIENT_ID, ACCESSION, "Canary", "Hansen"):
        assert identity not in logs


def test_each_service_is_killed_in_the_middle_of_a_study(gateway: Gateway, orthanc: Orthanc, tmp_path: Path) -> None:
    study = ct_study(tmp_path / "study", series=3, images=100)
    with Modality(study.files, gateway.dicom_port, pause=0.03) as modality:
        for number, name in enumerate(SERVICES, 1):
            modality.wait_for(number * 40)
            gateway.processes[name].kill()
            gateway.processes[name].start()
            if number == 2:
                gateway.assign(study.study_instance_uid, PROJECT, "P001")
        modality.wait_for(300)
    time.sleep(1)
    for name in ("indexer", "router", "anonymizer", "sender"):
        gateway.processes[name].kill()
        gateway.processes[name].start()
    assert_all_there(gateway, orthanc, 300)
    assert modality.broken >= 1


def test_broker_and_database_are_away_while_a_study_is_received(
    gateway: Gateway, orthanc: Orthanc, rabbitmq: RabbitMQ, postgres: PostgreSQL, tmp_path: Path
) -> None:
    study = ct_study(tmp_path / "study", series=2, images=100)
    with Modality(study.files, gateway.dicom_port, pause=0.1) as modality:
        modality.wait_for(20)
        rabbitmq.kill()
        postgres.stop()
        away_until = time.monotonic() + 10
        modality.wait_for(100)
        time.sleep(max(0.0, away_until - time.monotonic()))
        postgres.start()
        rabbitmq.start()
        gateway.assign(study.study_instance_uid, PROJECT, "P002")
        modality.wait_for(200)
    assert modality.broken == 0
    assert modality.refused == []
    assert_all_there(gateway, orthanc, 200)


def test_the_research_pacs_is_down_when_it_is_needed(gateway: Gateway, orthanc: Orthanc, tmp_path: Path) -> None:
    study = ct_study(tmp_path / "study", images=20)
    orthanc.stop()
    with Modality(study.files, gateway.dicom_port) as modality:
        modality.wait_for(20)
    gateway.assign(study.study_instance_uid, PROJECT, "P003")
    sender = gateway.processes["sender"].log
    wait_until(lambda: "no connection" in sender.read_text(), 240, "the sender to meet nobody", every=0.2)
    wait_until(lambda: {item["state"] for item in gateway.transfers()} == {"sending"}, 60, "what the router knows")
    orthanc.start()
    assert_all_there(gateway, orthanc, 20)
