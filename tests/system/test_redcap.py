"""The whole road with REDCap at both ends: a project from there, a study to there, a kill in the middle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from tests.components.process import wait_until
from tests.components.redcap import Form, Project, RedcapServer, text
from tests.integration.redcap_setting import (
    INCOMING_TOKEN,
    PROJECT,
    PROJECT_TOKEN,
    incoming,
    own,
    token_files,
)
from tests.studies import ACCESSION, PATIENT_ID, ct_study
from tests.system.gateway import SERVICES, Gateway, ServiceProcess, running
from tests.system.modality import Modality

PROJECTS_TOKEN = "B" * 32
MAPPING = """
project:
  events: {Unknown: baseline_arm_1}
new_projects: {destinations: [research], participant_pattern: 'ABCD-\\d{4}'}
"""


@pytest.fixture
def redcap() -> Iterator[RedcapServer]:
    table = Project(PROJECTS_TOKEN, [Form("projects", [text("project_name"), text("project_active", kind="yesno")])])
    table.data[PROJECT, "", "", 0] = {"project_active": "1"}
    with RedcapServer(table, incoming(), own()) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, redcap: RedcapServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """The embedded bus, REDCap's service in a process of its own."""
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    (tmp_path / "incoming").write_text(f"{INCOMING_TOKEN}\n")
    token = tmp_path / "token"
    with running(Gateway(tmp_path, {"FIONA_ANONYMIZER_WORKERS": "1"}, (SERVICES,))) as made:
        environment = {
            "FIONA_DATA": str(made.data),
            "FIONA_REDCAP_URL": redcap.url,
            "FIONA_REDCAP_MAPPING": str(tmp_path / "mapping.yaml"),
            "FIONA_REDCAP_INCOMING_TOKEN_FILE": str(tmp_path / "incoming"),
            "FIONA_REDCAP_PROJECTS_TOKEN": PROJECTS_TOKEN,
            "FIONA_REDCAP_TOKENS": str(token_files(tmp_path / "tokens", ABCD_study=PROJECT_TOKEN)),
            "FIONA_REDCAP_API_URL": f"http://127.0.0.1:{made.api_port}",
            "FIONA_REDCAP_API_TOKEN_FILE": str(token),
            "FIONA_REDCAP_POLL_SECONDS": "0.2",
            "FIONA_REDCAP_READ_MINUTES": "0.01",
            "FIONA_REDCAP_TIMEOUT_SECONDS": "4",
            "FIONA_REDCAP_CALLS_PER_MINUTE": "6000",
        }
        made.call("POST", "/destinations", json={"name": "research", "kind": "folder"})
        made.processes["redcap"] = ServiceProcess(("redcap",), tmp_path / "redcap", environment)
        made.processes["redcap"].start()
        monkeypatch.setenv("FIONA_API", f"http://127.0.0.1:{made.api_port}")
        monkeypatch.setenv("FIONA_TOKEN_FILE", str(token))
        yield made


def there(redcap: RedcapServer, token: str) -> dict[Any, dict[str, str]]:
    with redcap.lock:
        return dict(redcap.projects[token].data)


@pytest.mark.slow
def test_a_study_on_its_whole_road(gateway: Gateway, redcap: RedcapServer, tmp_path: Path) -> None:
    wait_until(lambda: gateway.call("GET", "/projects")["total"] == 1, 240, "the project from REDCap", every=0.2)
    redcap.mode = "hold"
    study = ct_study(tmp_path / "study", series=2)
    with Modality(study.files, gateway.dicom_port) as modality:
        modality.wait_for(6)
    assert redcap.held.wait(240)
    gateway.processes["redcap"].kill()
    redcap.mode = "ok"
    redcap.let_go.set()
    gateway.processes["redcap"].start()
    gateway.assign(study.study_instance_uid, PROJECT, "ABCD-0017")
    gateway.wait_delivered(6)
    wait_until(lambda: len(there(redcap, PROJECT_TOKEN)) == 2, 240, "the images in REDCap", every=0.2)
    wait_until(
        lambda: [each.get("transfers_complete") for each in there(redcap, INCOMING_TOKEN).values()].count("2") == 1,
        240,
        "the end of the transfer in REDCap",
        every=0.2,
    )
    places = sorted(place[2:] for place in there(redcap, INCOMING_TOKEN))
    assert places == [("", 0), ("series", 1), ("series", 2), ("transfers", 1)]
    mine = there(redcap, PROJECT_TOKEN)
    image = mine["ABCD-0017", "event_1_arm_1", "imaging", 1]
    assert image["img_event_name"] == "baseline_arm_1"
    assert image["img_study_instance_uid"] != study.study_instance_uid
    for identity in (PATIENT_ID, ACCESSION, "Hansen", "Canary", study.study_instance_uid):
        assert identity not in str(mine)
        assert identity == study.study_instance_uid or identity not in gateway.logs()
    ours = (tmp_path / "token").read_text().strip()
    for token in (INCOMING_TOKEN, PROJECT_TOKEN, PROJECTS_TOKEN, ours):
        assert token not in gateway.logs()
    assert run(["redcap", "check"]) == 0
    assert run(["redcap", "status"]) == 0
    with redcap.lock:
        redcap.projects[PROJECT_TOKEN].data.clear()
    assert run(["redcap", "check", "--project", PROJECT]) == 1
    assert run(["redcap", "sync", "--project", PROJECT]) == 0
    assert there(redcap, PROJECT_TOKEN)["ABCD-0017", "event_1_arm_1", "imaging", 1] == image
    assert run(["redcap", "check", "--project", "NOBODY"]) == 4
