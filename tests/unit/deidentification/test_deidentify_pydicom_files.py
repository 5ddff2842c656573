"""Every file that ships with pydicom: written or refused, whole, readable, and without the canaries planted in it."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from itertools import count
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deidentification import BASIC, CannotDeidentify, deidentify
from deidentification.dataset.syntaxes import SYNTAXES
from deidentification.profiles import explain
from deidentification.profiles.model import Pixels
from deidentification.profiles.rules import Act
from deidentification.standard.reviewed import CLASS_UIDS
from tests.unit.deidentification.builders import SUBJECT, Bench

BASE = Path(pydicom.data.__file__).parent
FILES = sorted(path for path in BASE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".json"))
REFUSALS = {
    "not-dicom", "identity", "dicomdir", "truncated", "encoding", "burned-in", "encapsulated-document", "sop-class",
    "pixel-description",
}  # fmt: skip


# Images pass that are kept here for the text in their pixels: header and copy are to be right for them, too.
ANY_PICTURE = BASIC.model_copy(update={"name": "any-picture", "pixels": Pixels(suspects_pass=True)})


def read(source: Path | BytesIO) -> Dataset:
    """The dataset with every element decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(source, force=True)
        list(data.iterall())
    return data


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(BASE).as_posix())
def test_file_is_written_whole_or_refused(path: Path, tmp_path: Path) -> None:
    refusal: CannotDeidentify | None
    try:
        result = deidentify(path, tmp_path, SUBJECT, ANY_PICTURE)
    except CannotDeidentify as problem:
        refusal = problem
    else:
        refusal = None
    if refusal is not None:
        assert refusal.rule in REFUSALS
        assert not [left for left in tmp_path.rglob("*") if left.is_file()]
        return
    before, after = read(path), read(tmp_path / result.path)
    assert (after.PatientID, str(after.PatientName)) == ("NOR_001", "NOR_001")
    assert after.StudyInstanceUID == SUBJECT.new_uid(before.StudyInstanceUID)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID == result.sop_instance_uid
    assert not [element.tag for element in after.iterall() if element.tag.is_private]
    for keyword in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "ImagePositionPatient", "PixelSpacing"):
        assert after.get(keyword) == before.get(keyword)
    if "PixelData" in before:
        assert_same_pixels(before.PixelData, after.PixelData, SYNTAXES[result.transfer_syntax_uid].codec)


def assert_same_pixels(before: bytes, after: bytes, codec: str) -> None:
    """Bit for bit, but for comments in compressed frames, which may have become zeros."""
    assert codec or not len(before[len(after) :].strip(b"\0")), "only padding is cut"
    before = before[: len(after)]
    changed = [position for position, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert not changed or codec
    assert not any(after[position] for position in changed)
    assert len(changed) < 400


def plant(data: Dataset, numbers: Iterator[int]) -> dict[bytes, DataElement]:
    """Put a unique value into every text, date, UID and private element; canary -> where it stands."""
    planted: dict[bytes, DataElement] = {}
    for element in data.iterall():
        number = next(numbers)
        if element.tag in (0x00080005, 0x00080016, 0x00280301) or element.tag in CLASS_UIDS or element.VR == "CS":
            continue
        text = f"CNRY{number:05}QZ"
        if element.VR in ("LO", "SH", "ST", "LT", "UT", "UC", "PN", "AE"):
            element.value = text
        elif element.VR == "UI":
            text = element.value = f"1.2.826.0.{number}.19551231"
        elif element.VR in ("DA", "DT"):
            text = element.value = f"{1000 + number % 700 * 10}0315"
        elif element.tag.is_private and element.VR in ("OB", "UN") and not element.tag.is_private_creator:
            element.value = text.encode() + b" "
        else:
            continue
        planted[text.encode()] = element
    return planted


def test_no_canary_comes_out(bench: Bench) -> None:
    tested = kept = 0
    for path in FILES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data = read(path)
                planted = plant(data, count(1))
                buffer = BytesIO()
                data.save_as(buffer)
                output = bench.written(buffer.getvalue())
            except (CannotDeidentify, AttributeError, ValueError, TypeError, KeyError, NotImplementedError):
                continue
        tested += 1
        for canary, element in planted.items():
            rule = explain(BASIC, element.tag)
            if rule.act is Act.KEEP and not element.tag.is_private:
                kept += canary in output
            else:
                assert canary not in output, f"{path.name} {element.tag} {rule}"
    assert tested >= 80
    assert kept >= 500
