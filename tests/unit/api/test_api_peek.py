"""What stands at an attribute path: read apart, and an end to it however the file is made."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from services.api import peek as module
from services.api.peek import look, peek, steps
from shared.dicom.apart import CannotRead
from tests.unit.api.support import dicom


@pytest.fixture
def file(tmp_path: Path) -> Path:
    inner, item = Dataset(), Dataset()
    inner.CodeMeaning = "ward 7"
    item.PurposeOfReferenceCodeSequence = [Dataset(), inner]
    path = tmp_path / "file.dcm"
    path.write_bytes(
        dicom(
            SeriesDescription="knee DOE",
            ImageType=["ORIGINAL", "PRIMARY"],
            ReferencedImageSequence=[item],
            TextValue="x" * 5000,
            Rows=512,
        )
    )
    return path


@pytest.mark.parametrize(
    ("where", "keyword", "vr", "value"),
    [
        ("(0008,103E)", "SeriesDescription", "LO", "knee DOE"),
        ("(0010,0010)", "PatientName", "PN", "Doe^Jane"),
        ("(0008,0008)", "ImageType", "CS", "ORIGINAL\\PRIMARY"),
        ("(0028,0010)", "Rows", "US", "512"),
        ("(0008,1140)", "ReferencedImageSequence", "SQ", None),
        ("(0008,1140)[0].(0040,A170)[1].(0008,0104)", "CodeMeaning", "LO", "ward 7"),
        ("(0008,0050)", "", "", None),
    ],
)
def test_what_stands_there(file: Path, where: str, keyword: str, vr: str, value: str | None) -> None:
    assert look(file, where) == {"keyword": keyword, "vr": vr, "value": value, "whole": True}


def test_only_the_beginning_of_a_long_value(file: Path) -> None:
    found = look(file, "(0040,A160)")
    assert (len(found["value"]), found["whole"]) == (module.LONGEST, False)


@pytest.mark.parametrize("where", ["", "PatientName", "(0010,0010", "(0010,0010);rm", "(0010,0010)[x]"])
def test_paths_that_are_none(where: str) -> None:
    with pytest.raises(ValueError):
        steps(where)


async def test_in_a_process_of_its_own(file: Path) -> None:
    assert (await peek(file, "(0008,103E)"))["value"] == "knee DOE"


async def test_what_cannot_be_read_that_far(file: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotRead, match="cannot be read that far"):
        await peek(file, "(0008,1140)[7].(0008,0104)")
    lying = tmp_path / "lying.dcm"
    content = file.read_bytes()
    at = content.index(b"\x08\x00\x3e\x10LO")
    lying.write_bytes(content[: at + 6] + b"\xf0\xff" + content[at + 8 :])
    with pytest.raises(CannotRead) as caught:
        await peek(tmp_path / "nothing.dcm", "(0008,103E)")
    assert "nothing.dcm" not in str(caught.value)


async def test_what_takes_too_long(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.01)
    with pytest.raises(CannotRead, match="too long"):
        await peek(file, "(0008,103E)")


async def test_five_thousand_levels(tmp_path: Path) -> None:
    item = Dataset()
    item.CodeMeaning = "x"
    for _ in range(200):
        outer = Dataset()
        outer.ContentSequence = [item]
        item = outer
    path = tmp_path / "deep.dcm"
    path.write_bytes(dicom(ContentSequence=[item]))
    assert dcmread(path).ContentSequence
    where = ".".join(["(0040,A730)[0]"] * 201 + ["(0008,0104)"])
    assert (await peek(path, where))["value"] == "x"
