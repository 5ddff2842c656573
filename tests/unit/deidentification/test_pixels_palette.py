"""Palettes: plain and segmented ones, against the library's and against values counted by hand."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels.processing import apply_color_lut

from deidentification.dataset.encoding import EXPLICIT_BE, EXPLICIT_LE, Encoding
from deidentification.dataset.source import opened
from deidentification.errors import CannotDeidentify
from deidentification.pixels import palette, wanted
from deidentification.pixels.image import DESCRIPTORS, SEGMENTED, TABLES
from deidentification.profiles.model import Pixels
from tests.unit.deidentification.pixel_files import captured_of


def words(values: list[int], encoding: Encoding = EXPLICIT_LE) -> bytes:
    return np.array(values, "<u2" if encoding.little else ">u2").tobytes()


@pytest.mark.parametrize("name", ["examples_palette.dcm", "OBXXXX1A.dcm", "OBXXXX1A_expb.dcm"])
def test_tables_of_real_files(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    data = dcmread(path)
    with opened(path) as source:
        captured, _ = captured_of(source, wanted(Pixels()))
        first, table = palette.table(captured, source.syntax.encoding, False)
    values = np.arange(len(table)) + first
    reference = apply_color_lut(values.astype(np.uint16), data)
    shown = (reference >> 8).astype(np.uint8) if reference.max() > 255 else reference.astype(np.uint8)
    assert np.array_equal(table, shown)


@pytest.mark.parametrize("encoding", [EXPLICIT_LE, EXPLICIT_BE])
def test_segments(encoding: Encoding) -> None:
    # Two entries as they are, two on the line from 20 to 40, and the first segment again.
    segmented = words([0, 2, 10, 20, 1, 2, 40, 2, 1, 0, 0], encoding)
    captured = {tag: words([6, 3, 16], encoding) for tag in DESCRIPTORS} | dict.fromkeys(SEGMENTED, segmented)
    first, table = palette.table(captured, encoding, False)
    assert first == 3
    assert table[:, 0].tolist() == [10, 20, 30, 40, 10, 20]


def test_segments_of_bytes() -> None:
    segmented = bytes([0, 2, 10, 20, 1, 2, 40, 0])
    captured = {tag: words([4, 0, 8]) for tag in DESCRIPTORS} | dict.fromkeys(SEGMENTED, segmented)
    assert palette.table(captured, EXPLICIT_LE, False)[1][:, 2].tolist() == [10, 20, 30, 40]


def test_signed_first_values() -> None:
    captured = {tag: words([2, 0xFFFE, 16]) for tag in DESCRIPTORS} | dict.fromkeys(TABLES, words([1, 2]))
    assert palette.table(captured, EXPLICIT_LE, True)[0] == -2


@pytest.mark.parametrize(
    "segmented",
    [
        words([0, 9, 1]),
        words([1, 2, 40]),
        words([7, 1, 1]),
        words([2, 1, 0, 0]),
        words([0, 1, 5, 2, 1, 9, 0]),
    ],
)
def test_segments_that_lead_nowhere(segmented: bytes) -> None:
    captured = {tag: words([6, 0, 16]) for tag in DESCRIPTORS} | dict.fromkeys(SEGMENTED, segmented)
    with pytest.raises(CannotDeidentify):
        palette.table(captured, EXPLICIT_LE, False)


def test_palettes_that_are_not_described_or_too_short() -> None:
    for captured in ({}, {tag: words([6, 0, 16]) for tag in DESCRIPTORS} | dict.fromkeys(TABLES, words([1, 2]))):
        with pytest.raises(CannotDeidentify):
            palette.table(captured, EXPLICIT_LE, False)
