"""A folder: every file written or quarantined, in a report that names nobody."""

import errno
import json
import os
import signal
import time
from pathlib import Path

import pydicom.data
import pytest

from deidentification import BASIC, CannotDeidentify, FolderError, Subject, deidentify_folder, numbered
from deidentification.participants import Participants, ParticipantsError, read_participants
from deidentification.processes import Limits
from deidentification.profiles import digest
from deidentification.profiles.model import Selector
from tests.unit.deidentification.builders import SUBJECT, ct, encoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good slices, a copy, a conflict, a broken file and a text, under names that identify."""
    inside = tmp_path / "in" / "NORDMANN_KARI"
    inside.mkdir(parents=True)
    (inside / "1.dcm").write_bytes(encoded(ct()))
    (inside / "2.dcm").write_bytes(encoded(ct(SOPInstanceUID="1.2.826.0.19700203.5")))
    (inside / "3 copy.dcm").write_bytes(encoded(ct()))
    (inside / "4 other.dcm").write_bytes(encoded(ct(KVP="80")))
    (inside / "5.dcm").write_bytes(encoded(ct())[:-3])
    (inside / "Kari Nordmann.txt").write_text("Kari Nordmann")
    os.mkfifo(inside / "6.fifo")
    return tmp_path / "in"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_file_is_accounted_for(folder: Path, tmp_path: Path, workers: int) -> None:
    out, seen = tmp_path / "out", []
    report = deidentify_folder(folder, out, SUBJECT, BASIC, workers, lambda done, total: seen.append((done, total)))
    assert seen == [(number, 7) for number in range(1, 8)]
    assert [entry.number for entry in report.written] == [1, 2]
    assert report.duplicates == 1
    assert [(entry.number, entry.rule) for entry in report.quarantined] == [
        (4, "conflict"), (5, "truncated"), (6, "unreadable"), (7, "not-dicom"),
    ]  # fmt: skip
    text = (out / "report.json").read_text()
    assert "ordmann" not in text.lower()
    stored = json.loads(text)
    assert stored["counts"] == {"files": 7, "written": 2, "quarantined": 4, "left_out": 0, "duplicates": 1}
    assert stored["profile"]["digest"] == digest(BASIC)
    left = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert left == sorted(["report.json", *(entry["path"] for entry in stored["written"])])
    assert numbered(folder)[4].name == "5.dcm"


def test_a_second_run_gives_the_same(folder: Path, tmp_path: Path) -> None:
    first = deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)
    again = deidentify_folder(folder, tmp_path / "again", SUBJECT, BASIC)
    assert first.as_json() == again.as_json()


def test_a_folder_that_holds_another_runs_results_is_refused(folder: Path, tmp_path: Path) -> None:
    """Two pseudonymisations side by side, of which the report knows one, are nobody's wish."""
    deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)
    before = sorted((tmp_path / "out").rglob("*"))
    with pytest.raises(FolderError, match="not empty"):
        deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)
    assert sorted((tmp_path / "out").rglob("*")) == before


@pytest.mark.parametrize(
    ("source", "target"), [("in", "in/out"), ("in", "in"), ("in/NORDMANN_KARI", "in"), ("no", "out")]
)
def test_folders_that_lie_in_each_other_are_refused(folder: Path, tmp_path: Path, source: str, target: str) -> None:
    with pytest.raises(FolderError):
        deidentify_folder(tmp_path / source, tmp_path / target, SUBJECT, BASIC)


def test_an_output_that_cannot_be_written_is_an_error_of_the_run(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FolderError):
        deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)


def test_all_files_of_pydicom(tmp_path: Path) -> None:
    source = Path(pydicom.data.__file__).parent / "test_files"
    report = deidentify_folder(source, tmp_path / "out", SUBJECT, BASIC)
    assert report.files == len(numbered(source)) > 150
    assert len(report.written) > 80
    assert report.whole


class Fatal(Participants):
    """A table under which some files do to their process what a decoder may do."""

    def subject(self, file: Path) -> Subject | CannotDeidentify:
        kind = file.name.partition(" ")[2]
        if kind == "crashes.dcm":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "hangs.dcm":
            time.sleep(60)
        elif kind == "fills.dcm":
            bytearray(2_000_000_000)
        elif kind == "unreadable.dcm":
            raise OSError(errno.EIO, "input/output error")
        return SUBJECT


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_takes_its_process_along_is_quarantined_alone(tmp_path: Path, workers: int) -> None:
    (tmp_path / "in").mkdir()
    kinds = {3: " crashes", 5: " hangs", 6: " fills", 9: " unreadable"}
    for number in range(1, 21):
        content = encoded(ct(SOPInstanceUID=f"1.2.826.0.1.{number}"))
        (tmp_path / "in" / f"{number:02}{kinds.get(number, '')}.dcm").write_bytes(content)
    report = deidentify_folder(
        tmp_path / "in", tmp_path / "out", SUBJECT, BASIC, workers, None, Fatal({}), Limits(4, 600)
    )
    assert [(entry.number, entry.rule) for entry in report.quarantined] == [
        (3, "crashed"), (5, "timeout"), (6, "memory"), (9, "unreadable"),
    ]  # fmt: skip
    assert all(entry.sha256 for entry in report.quarantined)
    assert [entry.number for entry in report.written] == [n for n in range(1, 21) if n not in kinds]
    assert report.whole


def test_patients_become_whom_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number, patient in enumerate(("A-1", "B-2", "A-1", "C-3", "", "Ødegård"), 1):
        data = ct(SOPInstanceUID=f"1.2.826.0.1.{number}", PatientID=patient, StudyInstanceUID=f"1.2.3.{number}")
        (tmp_path / "in" / f"{number}.dcm").write_bytes(encoded(data))
    table = read_participants("PatientID,participant,event\nA-1,P1,\nB-2,P2,later\n\nØdegård,P3,\n", SUBJECT)
    report = deidentify_folder(tmp_path / "in", tmp_path / "out", SUBJECT, BASIC, participants=table)
    read = [pydicom.dcmread(tmp_path / "out" / entry.path) for entry in report.written]
    assert [(str(each.PatientID), str(each.ClinicalTrialTimePointID)) for each in read] == [
        ("P1", "baseline"), ("P2", "later"), ("P1", "baseline"), ("P3", "baseline"),
    ]  # fmt: skip
    assert [(entry.number, entry.rule, entry.where) for entry in report.quarantined] == [
        (4, "participant", "(0010,0020)"), (5, "participant", "(0010,0020)"),
    ]  # fmt: skip
    assert (report.participants, report.patients) == (3, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("PatientID;participant\n1;2\n", "first line"),
        ("PatientID,participant\n", "nobody"),
        ("PatientID,participant\nA,P1\nA,P2\n", "line 3"),
        ("PatientID,participant\n,P1\n", "line 2"),
        ("PatientID,participant\nA,P1,more\n", "line 2"),
        ("PatientID,participant\nA,P^1\n", "line 2: participant holds"),
    ],
)
def test_a_table_that_does_not_say_who_is_who_is_refused(text: str, said: str) -> None:
    with pytest.raises(ParticipantsError, match=said):
        read_participants(text, SUBJECT)


def test_a_table_as_spreadsheets_write_it() -> None:
    table = read_participants('\ufeffPatientID,participant\r\n"A, 1",P1\r\nB,P2\r\nB,P2\r\n', SUBJECT)
    assert {name: subject.participant for name, subject in table.subjects.items()} == {"A, 1": "P1", "B": "P2"}
    assert "A, 1" not in repr(table)


def test_how_many_patients_became_one_is_counted_and_nobody_named(folder: Path, tmp_path: Path) -> None:
    content = encoded(ct(PatientID="SOMEBODY-ELSE", StudyInstanceUID="1.2.9", SOPInstanceUID="1.2.9.1"))
    (folder / "7.dcm").write_bytes(content)
    report = deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC, 2)
    assert (report.participants, report.patients) == (1, 2)
    assert "SOMEBODY" not in report.as_json(with_values=True)


def test_what_the_profile_leaves_out_is_neither_written_nor_quarantined(folder: Path, tmp_path: Path) -> None:
    profile = BASIC.model_copy(update={"drop": (Selector(modality="CT"),)})
    report = deidentify_folder(folder, tmp_path / "out", SUBJECT, profile)
    assert [entry.number for entry in report.left_out] == [1, 2, 3, 4, 5]
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored["counts"] == {"files": 7, "written": 0, "quarantined": 2, "left_out": 5, "duplicates": 0}
    assert sum(stored["left_out_by"].values()) == 5


def test_the_attributes_are_those_of_the_files_that_were_written(folder: Path, tmp_path: Path) -> None:
    """Copies and conflicts are taken back: two files are written, so each attribute stands there twice."""
    deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC, with_values=True)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())["attributes"]
    kept = {each["keyword"]: each for each in stored}
    assert kept["Modality"]["values"] == {"CT": 2}
    assert kept["PatientID"]["values"] == {"NOR_001": 2}
    assert (kept["SOPInstanceUID"]["count"], kept["SOPInstanceUID"]["distinct"]) == (2, 0)
    assert "KVP" not in kept
    assert all(each["reason"] and each["code"] for each in stored)
    assert all(each["count"] <= 2 for each in stored if ">" not in each["path"])


def test_values_are_stored_only_when_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)
    stored = json.loads((tmp_path / "out" / "report.json").read_text())["attributes"]
    assert stored
    assert not any("values" in each for each in stored)


def test_a_file_that_goes_while_the_run_goes_on_is_missing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = [*numbered(folder)[:2], folder / "gone.dcm"]
    monkeypatch.setattr("deidentification.folder.numbered", lambda _: gone)
    report = deidentify_folder(folder, tmp_path / "out", SUBJECT, BASIC)
    assert [(entry.number, entry.rule, entry.sha256) for entry in report.quarantined] == [(3, "missing", "")]
