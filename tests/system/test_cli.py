"""The commands of `fiona` against a real gateway: what they do, what they print, how they end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from cli.demo.gateway import Gateway
from tests.system.terminal import Fiona, gateway_with

PROJECT = "CLI_STUDY"


def bundled(name: str) -> Path:
    path = get_testdata_file(name, download=False)
    assert isinstance(path, str)
    return Path(path)


CT, MR, TRUNCATED = bundled("CT_small.dcm"), bundled("MR_small.dcm"), bundled("MR_truncated.dcm")
CT_STUDY = str(dcmread(CT).StudyInstanceUID)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("cli") / "store"
    with gateway_with(PROJECT, data, "--participants", r"SUBJ\d\d|\dCT\d") as made:
        yield made


@pytest.fixture
def fiona(gateway: Gateway, capsys: pytest.CaptureFixture[str]) -> Fiona:
    return Fiona(capsys)


def test_send_assign_and_watch(fiona: Fiona) -> None:
    assert fiona("send", CT, "--project", PROJECT, "--participant", "SUBJ01", "--event", "baseline") == 0
    assert "1 files of 1 studies are at FIONA@127.0.0.1" in fiona.out
    assert f"{CT_STUDY} is {PROJECT} SUBJ01" in fiona.out
    assert fiona("transfers", "--project", PROJECT, "--study", CT_STUDY, "--watch") == 0
    assert "1 completed" in fiona.out
    (transfer,) = fiona.json("transfers", "--study", CT_STUDY)
    assert (transfer["state"], transfer["delivered"], transfer["participant"]) == ("completed", 1, "SUBJ01")
    shown = fiona.json("transfers", "show", transfer["id"])
    assert shown["parts"][0]["delivered"] == 1
    assert fiona("transfers", "show", transfer["id"]) == 0
    assert "research" in fiona.out
    folder = Path(os.environ["FIONA_DATA"]) / "outbox" / "research"
    assert "SUBJ01" in {str(dcmread(path).PatientID) for path in folder.rglob("*.dcm")}
    again = fiona.json("assign", CT_STUDY, PROJECT, "SUBJ01", "--event", "baseline")
    assert again["state"] == "in_force"
    assert fiona("assign", CT_STUDY, PROJECT, "SUBJ02") == 5


def test_send_by_the_naming_pattern(fiona: Fiona) -> None:
    assert fiona("send", MR, "--project", PROJECT) == 2
    assert "4MR1" not in fiona.err
    sent = fiona.json("send", MR)
    assert (sent["files"][0]["status"], sent["files"][0]["stored"]) == (0, True)
    assert fiona("send", MR, "--project", "NO_SUCH_PROJECT") == 4


def test_what_is_refused(fiona: Fiona) -> None:
    assert fiona("send", TRUNCATED, __file__) == 1
    assert "0xC000 dataset is not whole" in fiona.out
    assert "1 of 1 files were not taken" in fiona.err
    assert "skipped 1: not a DICOM file" in fiona.err


def test_send_again(fiona: Fiona, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert fiona("send", CT, "--project", PROJECT, "--participant", "SUBJ01", "--event", "baseline") == 0
    patient = str(dcmread(CT).PatientID)
    sent = fiona.json("send", "--patient", patient)
    assert {each["study_instance_uid"] for each in sent["files"]} == {CT_STUDY}
    assert CT_STUDY in {each["study_instance_uid"] for each in fiona.json("send", "--last", 1)["files"]}
    assert fiona("send", "--patient", "nobody") == 4
    assert "nobody" not in fiona.err
    (tmp_path / "archive").mkdir()
    monkeypatch.setenv("FIONA_DATA", str(tmp_path))
    assert fiona("send", "--patient", patient) == 1
    assert "not under FIONA_DATA" in fiona.err


def test_studies(fiona: Fiona) -> None:
    assert fiona("send", CT, "--project", PROJECT, "--participant", "SUBJ01", "--event", "baseline") == 0
    assigned = fiona.json("studies", "--assigned")
    waiting = fiona.json("studies", "--waiting")
    assert CT_STUDY in {study["study_instance_uid"] for study in assigned}
    assert CT_STUDY not in {study["study_instance_uid"] for study in waiting}
    assert fiona("studies") == 0
    assert CT_STUDY in fiona.out
    assert fiona.json("study", "show", CT_STUDY)["series_list"][0]["modality"] == "CT"
    assert fiona("study", "show", "1.2.3") == 4
    assert fiona("assign", "1.2.3", PROJECT, "SUBJ01") == 4
    assert fiona("assign", CT_STUDY, "NO_SUCH_PROJECT", "SUBJ01") == 4


def test_a_participant_that_does_not_fit(fiona: Fiona) -> None:
    assert fiona("send", MR) == 0
    assert fiona("send", MR, "--project", PROJECT, "--participant", "wrong") == 1
    assert r"SUBJ\d\d" in fiona.err


def test_projects_and_destinations(fiona: Fiona) -> None:
    assert fiona("destination", "add", "research", "folder") == 5
    assert fiona("project", "add", PROJECT, "--destination", "research") == 5
    assert fiona("project", "add", "OTHER_STUDY", "--destination", "nowhere") == 1
    assert fiona("project", "show", "NO_SUCH_PROJECT") == 4
    assert fiona.json("project", "show", PROJECT)["destinations"] == ["research"]
    assert [project["name"] for project in fiona.json("project", "list")] == [PROJECT]
    assert fiona("destination", "echo", "research") == 0
    assert fiona.out.startswith("ok, research: ")
    made = fiona.json("destination", "add", "pacs", "dicom", "PACS@127.0.0.1:9", "--set", "calling_aet=US")
    assert made["config"] == {"host": "127.0.0.1", "port": 9, "called_aet": "PACS", "calling_aet": "US"}
    assert fiona("destination", "echo", "pacs") == 1
    assert fiona("destination", "add", "bad", "dicom", "PACS@127.0.0.1:9", "--set", "no_such=1") == 1
    assert {each["name"] for each in fiona.json("destination", "list")} == {"pacs", "research"}


def test_coupling_lists(fiona: Fiona, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"

    def upload(*rows: str, options: Sequence[str] = ()) -> int:
        file.write_text("\n".join(["AccessionNumber;subjectid", *rows]), "utf-16")
        return fiona("coupling", "upload", file, "--project", PROJECT, *options)

    assert upload("B-1;SUBJ21", "B-2;Hansen", options=["--dry-run"]) == 1
    assert "subjectid" in fiona.out
    assert "Hansen" not in fiona.out + fiona.err
    assert upload("B-1;SUBJ21", "B-2;SUBJ22", options=["--never"]) == 0
    assert "added 2" in fiona.out
    assert upload("B-1;SUBJ29") == 5
    assert fiona("coupling", "upload", file, "--project", "NOWHERE") == 4
    assert fiona("coupling", "upload", tmp_path / "none.csv", "--project", PROJECT) == 2
    shown = fiona.json("coupling", "show", PROJECT)
    assert {each["accession_number"] for each in shown} >= {"B-1", "B-2"}
    copy = tmp_path / "copy.csv"
    assert fiona("coupling", "export", PROJECT, "--to", copy) == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert fiona("coupling", "upload", copy, "--project", PROJECT) == 0
    assert fiona("coupling", "remove", PROJECT, "--all", "--yes") == 0
    assert fiona.json("coupling", "list", PROJECT) == []


def test_coupling_and_rules(fiona: Fiona) -> None:
    (entry,) = fiona.json("coupling", "add", PROJECT, "SUBJ07", "--accession", "A-17")
    assert fiona("coupling", "list", PROJECT) == 0
    assert "SUBJ07" in fiona.out
    assert "A-17" not in fiona.out
    assert fiona("coupling", "remove", PROJECT, entry["id"]) == 0
    assert fiona("coupling", "remove", PROJECT, entry["id"]) == 4
    rule = fiona.json("rule", "add", PROJECT, "--called", "SUBJECTS", "--patient-id", r"SUBJ\d\d")
    assert [each["id"] for each in fiona.json("rule", "list")] == [rule["id"]]
    assert fiona("rule", "remove", rule["id"]) == 0
    assert fiona.json("rule", "list") == []


def test_participants_and_rules_that_are_tried_first(fiona: Fiona) -> None:
    wish = ("--participants", r"R\d\d\d", "--event", "baseline", "--auto-ids", "R{n:3}")
    made = fiona.json("project", "add", "RULED_STUDY", "--destination", "research", *wish)
    assert made["auto_id_pattern"] == "R{n:3}"
    assert fiona("project", "set", "RULED_STUDY", "--auto-ids", "Q{n:3}") == 1
    assert "does not fit" in fiona.err
    assert fiona("participant", "add", "RULED_STUDY", "X1") == 1
    assert "for example R111" in fiona.err
    assert fiona.json("participant", "add", "RULED_STUDY", "--site", "north")["name"] == "R001"
    assert fiona("participant", "add", "RULED_STUDY", "R001") == 5
    assert [each["name"] for each in fiona.json("participant", "list", "RULED_STUDY", "--site", "north")] == ["R001"]
    assert fiona.json("participant", "show", "RULED_STUDY", "R001")["origin"] == "auto"
    assert [each["name"] for each in fiona.json("event", "list", "RULED_STUDY", "--imaging")] == ["baseline"]

    def rule(*options: str) -> str:
        return str(fiona.json("rule", "add", "RULED_STUDY", "--event", "baseline", *options)["id"])

    by_attribute = ("--attribute", "Modality", "--matches", "^CT$", "--called", "RULED")
    first = rule("--patient-id", "X.*", "--position", "1")
    second = rule("--auto-id", *by_attribute, "--position", "2")
    assert fiona("rule", "test", CT, "--called", "ELSE", "--project", "RULED_STUDY") == 1
    assert "called_aet does not fit" in fiona.out
    tried = fiona.json("rule", "test", CT, "--called", "RULED", "--project", "RULED_STUDY")
    assert [each["matches"] for each in tried["rules"]] == [False, True]
    (winner,) = tried["winners"]
    assert (winner["reason"], winner["made_up"], winner["refused"]) == (f"rule {second}", True, None)
    assert fiona("rule", "move", second, "--first") == 0
    assert [each["id"] for each in fiona.json("rule", "list", "--project", "RULED_STUDY")] == [second, first]
    assert fiona("rule", "move", second, "--before", "nothing") == 4
    assert fiona.json("rule", "set", second, "--inactive")["active"] is False
    assert fiona("rule", "test", "1.2.3.4") == 4


def test_status_and_dead(fiona: Fiona) -> None:
    said = fiona.json("status")
    assert said["ready"] is True
    assert said["counts"]["dead"] == 0
    assert fiona("status") == 0
    assert "instances" in fiona.out
    assert fiona.json("dead", "list") == []
    assert fiona("dead", "show", "none") == 4
    assert fiona("dead", "replay", "none") == 4
    assert fiona("dead", "replay", "--all") == 0


def test_as_a_program(gateway: Gateway) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "studies", "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(json.loads(done.stdout), list)
