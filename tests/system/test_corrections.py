"""A wrong participant, and a consent withdrawn, at a real gateway with Orthanc as the research PACS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.components.orthanc import Orthanc
from tests.components.process import wait_until
from tests.studies import ACCESSION, PATIENT_ID, Study, ct_study
from tests.system.gateway import SERVICES, Gateway, running
from tests.system.modality import Modality

PROJECT = "CORRECTED"
OTHER_PATIENT = "02029054321"


@pytest.fixture
def gateway(tmp_path: Path, orthanc: Orthanc) -> Iterator[Gateway]:
    config = {
        "host": "127.0.0.1",
        "port": orthanc.dicom_port,
        "called_aet": orthanc.aet,
        "withdraw": {"by": "orthanc-rest", "url": orthanc.http_url},
    }
    settings = {"FIONA_ANONYMIZER_WORKERS": "1"}
    with running(Gateway(tmp_path, settings, groups=(SERVICES,))) as gateway:
        gateway.add_project(PROJECT, {"kind": "dicom", "config": config})
        yield gateway


def send(gateway: Gateway, study: Study, participant: str, instances: int) -> None:
    with Modality(study.files, gateway.dicom_port) as modality:
        modality.wait_for(len(study.files))
        gateway.assign(study.study_instance_uid, PROJECT, participant)
        gateway.wait_delivered(instances)


def participants(orthanc: Orthanc) -> dict[str, int]:
    """PatientID -> instances that the research PACS holds of it."""
    found = orthanc.api("GET", "/patients?expand").json()
    held: dict[str, int] = {}
    for each in found:
        numbers = orthanc.api("GET", f"/patients/{each['ID']}/statistics").json()
        held[each["MainDicomTags"]["PatientID"]] = numbers["CountInstances"]
    return held


def finished(gateway: Gateway, withdrawal: str) -> dict[str, Any]:
    def done() -> bool:
        return bool(gateway.call("GET", f"/withdrawals/{withdrawal}")["state"] == "done")

    wait_until(done, 300, "the withdrawal", every=0.5)
    found: dict[str, Any] = gateway.call("GET", f"/withdrawals/{withdrawal}")
    return found


def files_with(folder: Path, *words: str) -> list[str]:
    """Every file of the store in whose bytes or whose path one of the words stands."""
    encoded = [word.encode() for word in words]
    found = []
    for path in folder.rglob("*"):
        named = any(word in str(path.relative_to(folder)) for word in words)
        if named or any(word in content(path) for word in encoded):
            found.append(str(path.relative_to(folder)))
    return found


def content(path: Path) -> bytes:
    """What is in a file; nothing, when it is none or goes just now."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return b""


def test_corrected_then_withdrawn(gateway: Gateway, orthanc: Orthanc, tmp_path: Path) -> None:
    mine = ct_study(tmp_path / "mine", series=2)
    other = ct_study(tmp_path / "other", patient_id=OTHER_PATIENT, accession="X-77")
    send(gateway, mine, "WRONG1", 6)
    send(gateway, other, "OTHER1", 9)
    assert participants(orthanc) == {"WRONG1": 6, "OTHER1": 3}

    [assignment] = gateway.call("GET", f"/studies/{mine.study_instance_uid}")["assignments"]
    wish = {"project": PROJECT, "participant": "RIGHT1", "reason": "mixed up"}
    made = gateway.call("POST", f"/assignments/{assignment['id']}/correction", json=wish)
    withdrawal = finished(gateway, made["id"])
    assert [(each["instances"], each["withdrawn"], each["why"]) for each in withdrawal["parts"]] == [(6, 6, None)]
    gateway.wait_delivered(15)
    assert participants(orthanc) == {"RIGHT1": 6, "OTHER1": 3}
    states = {each["participant"]: each["state"] for each in gateway.transfers()}
    assert states == {"WRONG1": "withdrawn", "RIGHT1": "completed", "OTHER1": "completed"}

    body = {"reason": "asked for by letter"}
    made = gateway.call("POST", f"/projects/{PROJECT}/participants/RIGHT1/withdrawal", json=body)
    withdrawal = finished(gateway, made["id"])
    assert participants(orthanc) == {"OTHER1": 3}
    removed = {each["service"]: each["removed"] for each in withdrawal["removals"]}
    assert removed["indexer"] == {"studies": 1, "instances": 6, "patients": 1, "files": 6}
    assert removed["anonymizer"]["de-identified files"] == 8, (
        "with two manifests; those under the wrong name went before"
    )
    assert (removed["sender"]["answers"], removed["api"]["coupling entries"]) == (12, 0)
    assert all(not each["left"] for each in withdrawal["removals"])
    uids = [path.stem for path in (gateway.data / "archive").rglob("*.dcm")]
    assert len(uids) == 3, "the other participant's"
    assert files_with(gateway.data, PATIENT_ID, ACCESSION) == []
    of_study = files_with(gateway.data, mine.study_instance_uid)
    assert {each.partition("/")[0].partition(".")[0] for each in of_study} <= {"fiona", "audit"}, "who did what stays"
    with pytest.raises(Exception, match="404"):
        gateway.call("GET", f"/studies/{mine.study_instance_uid}")

    with Modality(mine.files[:1], gateway.dicom_port) as modality:
        modality.wait_for(1)
        wait_until(lambda: gateway._known(mine.study_instance_uid), 300, "the study, again", every=0.5)
    answer = gateway.call("GET", f"/studies/{mine.study_instance_uid}")
    assert answer["assignments"] == [] or all(each["ended_at"] for each in answer["assignments"])
    assert participants(orthanc) == {"OTHER1": 3}
    assert ACCESSION not in gateway.logs()
