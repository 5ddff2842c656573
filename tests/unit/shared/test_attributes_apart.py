"""Attribute paths, and what stands there: read apart, and an end to it however the file is made."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset

from shared.dicom import attributes
from shared.dicom.apart import CannotRead
from shared.dicom.attributes import values_at
from shared.registry.attribute_paths import Step, keyword, steps
from tests.unit.api.support import dicom

CREATOR = "SIEMENS MR HEADER"


def content() -> bytes:
    inner, second = Dataset(), Dataset()
    inner.ScheduledProcedureStepID = "STEP-1"
    second.ScheduledProcedureStepID = "STEP-2"
    dataset = dcmread(
        BytesIO(
            dicom(
                SeriesDescription="t1 ABCD",
                ImageType=["ORIGINAL", "PRIMARY"],
                RequestAttributesSequence=[inner, second],
            )
        )
    )
    dataset.private_block(0x0019, "SOMEBODY ELSE", create=True).add_new(0x0A, "LO", "not this")
    dataset.private_block(0x0019, CREATOR, create=True).add_new(0x0A, "LO", "IMAGE NUM 4")
    written = BytesIO()
    dcmwrite(written, dataset)
    return written.getvalue()


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("SeriesDescription", [Step(0x0008103E)]),
        ("(0008,103e)", [Step(0x0008103E)]),
        ("0008,103E", [Step(0x0008103E)]),
        ("(0040,0275)[1].(0040,0009)", [Step(0x00400275, None, 1), Step(0x00400009)]),
        ("RequestAttributesSequence.ScheduledProcedureStepID", [Step(0x00400275), Step(0x00400009)]),
        ('(0019,xx0A,"SIEMENS MR HEADER")', [Step(0x0019000A, CREATOR)]),
    ],
)
def test_ways_to_an_attribute(path: str, way: list[Step]) -> None:
    assert steps(path) == way


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "no attribute"),
        ("SeriesDescripton", "no keyword"),
        ("SeriesDescription.", "no attribute"),
        ("(0008,103", "at 1"),
        ("SeriesDescription;x", "at 1"),
        ('(0018,xx0A,"EVEN")', "at 1"),
        (".".join(["RequestAttributesSequence"] * 9), "deeper"),
    ],
)
def test_ways_to_nothing(path: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        steps(path)


def test_the_keyword_of_the_top_level() -> None:
    assert keyword("(0008,103E)") == "SeriesDescription"
    assert keyword("RequestAttributesSequence.ScheduledProcedureStepID") is None
    assert keyword("(0019,100A)") is None


async def test_values_of_files_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "file.dcm"
    file.write_bytes(content())
    noise = tmp_path / "noise"
    noise.write_bytes(b"\0" * 2000)
    paths = [
        "SeriesDescription", "ImageType", "RequestAttributesSequence.ScheduledProcedureStepID",
        "RequestAttributesSequence[1].(0040,0009)", '(0019,xx0A,"SIEMENS MR HEADER")', "PatientComments",
        "RequestAttributesSequence",
    ]  # fmt: skip
    found, nothing, gone = await values_at([file, noise, tmp_path / "gone"], paths)
    assert list(found.values()) == [
        ["t1 ABCD"], ["ORIGINAL\\PRIMARY"], ["STEP-1", "STEP-2"], ["STEP-2"], ["IMAGE NUM 4"], [], [],
    ]  # fmt: skip
    assert not any(nothing.values())
    assert gone == {}


async def test_a_header_that_was_cut_and_what_is_no_dicom() -> None:
    whole = dicom(SeriesDescription="t1 ABCD", filler=50_000, TextValue="x" * 5000)
    found = await values_at(whole[:2000], ["SeriesDescription", "TextValue"])
    assert found[0].get("SeriesDescription", []) in ([], ["t1 ABCD"])
    assert await values_at(b"", ["SeriesDescription"]) in ([{}], [{"SeriesDescription": []}])


async def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    """What an enhanced image says of thousands of frames would take longer than there is time for."""
    groups = b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff"  # Per-Frame Functional Groups Sequence, which never ends
    file = tmp_path / "enhanced.dcm"
    file.write_bytes(
        content() + groups + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + b"\x18\x00\x14\x91SQ\0\0\xff\xff\xff\xff"
    )
    asked = ["SeriesDescription", '(0019,xx0A,"SIEMENS MR HEADER")', "(0040,0275)[0].(0040,0009)"]
    for source in ([file], file.read_bytes()):
        assert await values_at(source, asked) == [
            dict(zip(asked, (["t1 ABCD"], ["IMAGE NUM 4"], ["STEP-1"]), strict=True))
        ]


async def test_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "SECONDS", 0.01)
    with pytest.raises(CannotRead, match="too long"):
        await values_at(b"", ["SeriesDescription"])
