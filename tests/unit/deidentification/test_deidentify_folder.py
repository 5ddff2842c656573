"""A folder: every file written or quarantined, in a report that names nobody."""

import json
import os
from pathlib import Path

import pydicom.data
import pytest

from deidentification import BASIC, FolderError, deidentify_folder, numbered
from deidentification.profiles import digest
from tests.unit.deidentification.builders import SUBJECT, ct, encoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good slices, a copy, a conflict, a broken file and a text, under names that identify."""
    inside = tmp_path / "in" / "NORDMANN_KARI"
    inside.mkdir(parents=True)
    (inside / "1.dcm").write_bytes(encoded(ct()))
    (inside / "2.dcm").write_bytes(encoded(ct(SOPInstanceUID="1.2.826.0.19700203.5")))
    (inside / "3 copy.dcm").write_bytes(encoded(ct()))
    (inside / "4 other.dcm").write_bytes(encoded(ct(Rows=8)))
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
    assert stored["counts"] == {"files": 7, "written": 2, "quarantined": 4, "duplicates": 1}
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
