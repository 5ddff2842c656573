"""`fiona deidentify`: what comes out, what is said, and how it ends."""

import json
from pathlib import Path

import pytest
from pydicom import dcmread

from cli.main import run
from tests.studies import PATIENT_ID, ct_study

Captured = pytest.CaptureFixture[str]
KEY = "ab" * 32 + "\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two patients, and a text that is no DICOM."""
    folder = tmp_path / "in"
    ct_study(folder / "1", images=2)
    ct_study(folder / "2", images=1, patient_id="OTHER-4711")
    (folder / "notes.txt").write_text("no DICOM")
    return folder


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY)
    return file


def deidentify(source: Path, target: Path, *options: object) -> int:
    return run(["deidentify", str(source), str(target), "--workers", "1", *map(str, options)])


def patients(folder: Path) -> list[str]:
    return sorted({str(dcmread(path).PatientID) for path in folder.rglob("*.dcm")})


def test_the_same_key_makes_the_same_files(source: Path, key: Path, tmp_path: Path, capsys: Captured) -> None:
    options = ("--key-file", key, "--participant", "SUBJ01", "--project", "STUDYX", "--json")
    assert deidentify(source, tmp_path / "out", *options) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"files": 4, "written": 3, "quarantined": 1, "left_out": 0, "duplicates": 0}
    assert "random key" not in said.err
    assert patients(tmp_path / "out") == ["SUBJ01"]
    assert deidentify(source, tmp_path / "again", *options) == 0
    first, again = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "out", tmp_path / "again")
    )
    assert first == again


def test_what_people_should_know_is_said(source: Path, tmp_path: Path, capsys: Captured) -> None:
    assert deidentify(source, tmp_path / "out", "--participant", "SUBJ01") == 0
    said = capsys.readouterr()
    assert "random key" in said.err
    assert "2 patients, and all became SUBJ01" in said.err
    assert "not-dicom" in said.out
    assert "not a DICOM file" in said.out
    assert PATIENT_ID not in said.out + said.err


def test_a_table_gives_each_patient_a_pseudonym(source: Path, tmp_path: Path, capsys: Captured) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"PatientID,participant,event\n{PATIENT_ID},P-01,\nOTHER-4711,P-02,month 6\n")
    options = ("--participants", people, "--event", "baseline")
    assert deidentify(source, tmp_path / "out", *options) == 0
    assert "patients" not in capsys.readouterr().err
    assert patients(tmp_path / "out") == ["P-01", "P-02"]
    events = {
        str(each.PatientID): str(each.ClinicalTrialTimePointID)
        for each in map(dcmread, (tmp_path / "out").rglob("*.dcm"))
    }
    assert events == {"P-01": "baseline", "P-02": "month 6"}


def test_who_is_not_in_the_table_stays(source: Path, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text(f"PatientID,participant\n{PATIENT_ID},P-01\n")
    assert deidentify(source, tmp_path / "out", "--participants", people) == 0
    text = (tmp_path / "out" / "report.json").read_text()
    assert json.loads(text)["reasons"] == {"not-dicom": 1, "participant": 1}
    assert "OTHER-4711" not in text
    assert patients(tmp_path / "out") == ["P-01"]


@pytest.mark.parametrize(
    "content", [b"name,participant\nx,y\n", b"PatientID,participant\nx,a^b\n", b"PatientID,part\xe9"]
)
def test_a_table_that_cannot_be_used_is_wrong_usage(
    source: Path, tmp_path: Path, content: bytes, capsys: Captured
) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    assert deidentify(source, tmp_path / "out", "--participants", tmp_path / "people.csv") == 2
    assert "people.csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_profile_may_be_a_file(source: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nbase: basic\nattributes:\n  PatientSex: keep\n")
    assert deidentify(source, tmp_path / "out", "--profile", file) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["profile"]["name"] == "own"


@pytest.mark.parametrize("content", ["name: own\nfrobnicate: yes\n", "]", "name: [1"])
def test_a_profile_that_cannot_be_read_is_wrong_usage(
    source: Path, tmp_path: Path, content: str, capsys: Captured
) -> None:
    (tmp_path / "own.yaml").write_text(content)
    assert deidentify(source, tmp_path / "out", "--profile", tmp_path / "own.yaml") == 2
    assert "is no profile" in capsys.readouterr().err
    assert deidentify(source, tmp_path / "out", "--profile", "unheard-of") == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("with_values", [False, True])
def test_the_page(source: Path, tmp_path: Path, with_values: bool) -> None:
    page = tmp_path / "out" / "report.html"
    options = ("--with-values",) if with_values else ()
    assert deidentify(source, tmp_path / "out", "--report", page, "--participant", "SUBJ<01>", *options) == 0
    text = page.read_text()
    assert "De-identification report" in text
    assert PATIENT_ID not in text
    assert ("SUBJ&lt;01&gt;" in text) == with_values
    assert "SUBJ<01>" not in text


def test_a_page_without_a_folder_is_said_before_the_work(source: Path, tmp_path: Path) -> None:
    assert deidentify(source, tmp_path / "out", "--report", tmp_path / "none" / "report.html") == 2
    assert not (tmp_path / "out").exists()


def test_nothing_that_could_be_done_is_1(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    assert deidentify(tmp_path / "in", tmp_path / "out") == 1
    assert (tmp_path / "out" / "report.json").exists()
    assert "no file could be de-identified" in capsys.readouterr().err


def test_a_key_that_is_none_is_wrong_usage(source: Path, key: Path, tmp_path: Path) -> None:
    key.write_text("short")
    assert deidentify(source, tmp_path / "out", "--key-file", key) == 2


def test_a_folder_behind_a_link_is_not_entered_and_said_so(source: Path, tmp_path: Path, capsys: Captured) -> None:
    ct_study(tmp_path / "elsewhere", images=1)
    (source / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert deidentify(source, tmp_path / "out") == 0
    assert "folders behind symbolic links were not entered: 1" in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 3


def test_a_run_that_is_interrupted_says_what_lies_there(
    source: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.deidentify._Bar.show", interrupted)
    assert deidentify(source, tmp_path / "out") == 1
    assert "no report accounts for the rest" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out/report.json").exists()
    assert not (tmp_path / "out/.work").exists()
