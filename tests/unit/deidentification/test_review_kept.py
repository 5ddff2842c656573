"""What is left after de-identification: every attribute with its values and counts, bounded, at every depth."""

from collections.abc import Iterator
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from deidentification import Deidentified
from deidentification.dataset.encoding import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Encoding
from deidentification.review import LONGEST, MOST_VALUES, Kept, KeptRow


def result(data: Dataset, encoding: Encoding = EXPLICIT_LE) -> Deidentified:
    """What the engine says of an instance, as far as the counting looks at it."""
    elements = []
    for element in data:
        alone = Dataset()
        alone.add(element)
        written = DicomBytesIO()
        written.is_implicit_VR, written.is_little_endian = encoding.implicit, encoding.little
        write_dataset(written, alone, data.get("SpecificCharacterSet", "iso8859"))
        elements.append((int(element.tag), cast(BytesIO, written).getvalue()))
    return cast(Deidentified, SimpleNamespace(elements=tuple(elements), encoding=encoding))


def dataset(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def counted(*results: Deidentified) -> dict[tuple[str, str | None], int]:
    kept = Kept()
    for each in results:
        kept.add(each)
    return {(row.keyword, row.value): row.count for row in kept.rows()}


ENCODINGS = [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_equal_values_are_counted_and_different_ones_stand_apart(encoding: Encoding) -> None:
    slices = [dataset(Modality="CT", SliceLocation=str(number % 2), Rows=512) for number in range(5)]
    assert counted(*(result(each, encoding) for each in slices)) == {
        ("Modality", "CT"): 5, ("SliceLocation", "0"): 3, ("SliceLocation", "1"): 2, ("Rows", "512"): 5,
    }  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("undefined", [False, True])
def test_nested_attributes_have_a_path(encoding: Encoding, undefined: bool) -> None:
    inner = dataset(ReferencedSOPInstanceUID="1.2.3", ReferencedFrameNumber="4")
    deep = dataset(PurposeOfReferenceCodeSequence=Sequence([dataset(CodeValue="121311")]))
    data = dataset(ReferencedImageSequence=Sequence([inner, deep]), Rows=2)
    if undefined:
        inner.is_undefined_length_sequence_item = deep.is_undefined_length_sequence_item = True
        data["ReferencedImageSequence"].is_undefined_length = True
    kept = Kept()
    kept.add(result(data, encoding))
    assert kept.rows() == [
        KeptRow("(0008,1140)>(0008,1155)", "ReferencedSOPInstanceUID", "UI", None, 1),
        KeptRow("(0008,1140)>(0008,1160)", "ReferencedFrameNumber", "IS", "4", 1),
        KeptRow("(0008,1140)>(0040,A170)>(0008,0100)", "CodeValue", "SH", "121311", 1),
        KeptRow("(0028,0010)", "Rows", "US", "2", 1),
    ]


def test_uids_and_bulk_and_long_rows_of_numbers_are_only_counted() -> None:
    data = dataset(
        SOPInstanceUID="1.2.3", RedPaletteColorLookupTableData=b"\1\2" * 40, SelectorFDValue=[1.5] * 40,
        SimpleFrameList=[1] * 400,
    )  # fmt: skip
    assert counted(result(data)) == {
        ("SOPInstanceUID", None): 1, ("RedPaletteColorLookupTableData", None): 1, ("SelectorFDValue", None): 1,
        ("SimpleFrameList", None): 1,
    }  # fmt: skip


def test_binary_values_are_read_as_numbers() -> None:
    data = dataset(
        SelectorFLValue=0.1, SelectorFDValue=[0.25, -3.5], SelectorSLValue=-2, SelectorATValue=[0x00100010, 0x7FE00010]
    )
    assert set(counted(result(data))) == {
        ("SelectorFLValue", "0.1"), ("SelectorFDValue", "0.25\\-3.5"), ("SelectorSLValue", "-2"),
        ("SelectorATValue", "(0010,0010)\\(7FE0,0010)"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "text"),
    [("ISO_IR 100", "Ødegård"), ("ISO_IR 192", "山田"), (["", "ISO 2022 IR 87"], "山田"), ("ISO_IR 144", "Люкceмбypг")],
)
def test_text_is_read_by_its_character_set(declared: str | list[str], text: str) -> None:
    assert (
        counted(result(dataset(SpecificCharacterSet=declared, SeriesDescription=text)))["SeriesDescription", text] == 1
    )


def test_an_item_may_declare_a_character_set_of_its_own() -> None:
    item = dataset(SpecificCharacterSet="ISO_IR 192", CodeMeaning="山田")
    data = dataset(SpecificCharacterSet="ISO_IR 100", ProcedureCodeSequence=Sequence([item]), SeriesDescription="Ås")
    assert {("CodeMeaning", "山田"), ("SeriesDescription", "Ås")} <= set(counted(result(data)))


def test_what_does_not_fit_its_character_set_or_cannot_be_shown_is_still_one_clean_value() -> None:
    broken = b"\x08\x00\x3e\x10LO\x06\x00a\xff\x07b\x00 "
    kept = Kept()
    kept.add(cast(Deidentified, SimpleNamespace(elements=((0x0008103E, broken),), encoding=EXPLICIT_LE)))
    (row,) = kept.rows()
    assert row.value is not None
    assert row.value.isprintable()
    assert "a" in row.value


def test_long_text_is_cut() -> None:
    ((_, value),) = counted(result(dataset(ImageComments="x" * 500)))
    assert value == "x" * (LONGEST - 1) + "…"


def test_an_attribute_shows_a_hundred_values_and_counts_the_rest_together() -> None:
    slices = (result(dataset(SliceLocation=str(number))) for number in range(250))
    counts = counted(*slices)
    assert len(counts) == MOST_VALUES + 1
    assert counts["SliceLocation", None] == 150
    assert sum(counts.values()) == 250


def test_counts_made_apart_add_up_to_the_same() -> None:
    slices = [result(dataset(SliceLocation=str(number % 7), Rows=number)) for number in range(300)]
    whole, parts = Kept(), Kept()
    for each in slices:
        whole.add(each)
    for start in range(0, 300, 16):
        part = Kept()
        for each in slices[start : start + 16]:
            part.add(each)
        parts.take(part.tally())
        assert part.rows() == []
    assert sum(row.count for row in parts.rows()) == sum(row.count for row in whole.rows()) == 600
    assert {row for row in whole.rows() if row.keyword == "SliceLocation"} <= set(parts.rows())


def test_what_is_held_undecoded_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deidentification.review.HELD", 1000)
    kept = Kept()

    def held() -> Iterator[int]:
        for number in range(20):
            kept.add(result(dataset(ImageComments=f"{number} " + "x" * 900)))
            yield sum(len(chunk) for chunks in kept._chunks.values() for _, chunk in chunks)

    assert max(held()) <= 1000
    assert sum(row.count for row in kept.rows()) == 20
