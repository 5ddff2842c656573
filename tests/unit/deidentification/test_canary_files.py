"""Real files with canaries everywhere: none comes out, the picture stays, and other readers can read the result."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pydicom.dataset import Dataset

from deidentification import CannotDeidentify, deidentify
from deidentification.profiles import BUILT_IN
from deidentification.profiles.model import Pixels
from tests.unit.deidentification.builders import SUBJECT
from tests.unit.deidentification.canaries import Canaries, files, numbers_of, planted, read
from tests.unit.deidentification.checkers import new_errors, program, readable_by_gdcm, unreadable_by_dcmtk

FILES: Final = files()
GROUPS: Final = 8
# Their pixels are not what is asked here: everything else of secondary captures and ultrasound is.
PROFILE: Final = BUILT_IN["basic"].model_copy(update={"pixels": Pixels(suspects_pass=True)})
REFUSALS: Final = {
    *("not-dicom", "identity", "dicomdir", "truncated", "encoding", "burned-in", "encapsulated-document", "sop-class"),
    *("pixel-description", "pixel-length", "pixel-vr"),
}
# A file as it is may name its hospital after the maker of its scanner; unique canaries are nowhere else.
ALARMS: Final = {"gate-name", "gate-id", "gate-date", "gate-uid", "gate-text"}


def group(number: int) -> list[Path]:
    """Every eighth file."""
    return FILES[number::GROUPS]


def done(source: Path, root: Path, fitting: set[str]) -> Path | None:
    """The result's path, or None when the file is refused for a reason that fits these files."""
    try:
        return root / deidentify(source, root, SUBJECT, PROFILE).path
    except CannotDeidentify as refusal:
        if refusal.rule not in fitting:
            raise
        return None


def batch(number: int, folder: Path) -> Iterator[tuple[Path, Path, Canaries | None]]:
    """(input, result, what was planted) of a group: each file as it is, and with canaries."""
    for index, path in enumerate(group(number)):
        hostile = planted(path)
        variants: list[tuple[bytes, Canaries | None]] = [(path.read_bytes(), None)]
        variants += [hostile] if hostile else []
        for content, canaries in variants:
            root = folder / f"{index}-{canaries is not None}"
            root.mkdir()
            source = root / path.name
            source.write_bytes(content)
            result = done(source, root / "out", REFUSALS if canaries else REFUSALS | ALARMS)
            if result is not None:
                yield source, result, canaries


def same_pixels(before: Dataset, after: Dataset) -> bool:
    """Bit for bit; comments of compressed frames have become zeros, and what stands behind the last pixel is gone."""
    old, new = before.PixelData, after.PixelData
    if not after.file_meta.TransferSyntaxUID.is_compressed and len(new) < len(old):
        bits = (
            after.Rows
            * after.Columns
            * after.SamplesPerPixel
            * after.BitsAllocated
            * int(after.get("NumberOfFrames", 1))
        )
        return bool(old.startswith(new) and len(new) == (bits + 15) // 16 * 2)
    changed = [byte for kept, byte in zip(old, new, strict=True) if kept != byte] if old != new else []
    return not any(changed) and len(changed) < 400


@pytest.mark.parametrize("number", range(GROUPS))
def test_no_canary_comes_out_and_the_picture_stays(number: int, tmp_path: Path) -> None:
    results = list(batch(number, tmp_path))
    assert len(results) > len(group(number)) / 2
    for source, result, canaries in results:
        content = result.read_bytes()
        if canaries is not None:
            assert canaries.found_in(content) == [], source.name
        before, after = read(source), read(content)
        assert (after.PatientID, str(after.PatientName)) == (SUBJECT.participant, SUBJECT.participant)
        assert not [element.tag for element in after.iterall() if element.tag.is_private], source.name
        now = numbers_of(after)
        lost = {f"{tag:08X}": value for tag, value in numbers_of(before).items() if now.get(tag) != value}
        assert lost == {}, source.name
        if "PixelData" in before:
            assert same_pixels(before, after), source.name
    outputs = {result: source for source, result, _ in results}
    assert {outputs[path].name for path in unreadable_by_dcmtk(outputs)} <= {
        path.name for path in unreadable_by_dcmtk(outputs.values())
    }
    worse = [source.name for result, source in outputs.items() if readable_by_gdcm(source) > readable_by_gdcm(result)]
    assert worse == []


@pytest.mark.parametrize("number", range(GROUPS))
def test_dciodvfy_finds_no_new_error(number: int, tmp_path: Path) -> None:
    if program("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    new: dict[str, set[str]] = {}
    for index, path in enumerate(group(number)):
        result = done(path, tmp_path / str(index), REFUSALS | ALARMS)
        found = new_errors(path, result) if result else set()
        if found:
            new[path.name] = found
    assert new == {}


def test_most_files_take_canaries() -> None:
    assert len(FILES) > 200
    assert sum(planted(path) is not None for path in FILES) > 0.8 * len(FILES)
