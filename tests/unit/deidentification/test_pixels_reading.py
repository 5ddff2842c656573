"""Text, codes and regions in pictures: what is hidden, and what is left alone."""

from io import BytesIO
from itertools import pairwise

import cv2
import numpy as np
import pytest
import segno
from numpy.typing import NDArray
from PIL import Image

from benchmarks.burned_in import covered, free, written
from deidentification.dataset.encoding import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, Encoding, element
from deidentification.errors import CannotDeidentify
from deidentification.pixels import Box, regions
from deidentification.pixels.codes import bars, codes
from deidentification.pixels.reading import Reader, chosen, reader, tiles
from deidentification.pixels.safe_words import is_safe
from tests.unit.deidentification.pixel_files import sequence

NOBODY: frozenset[str] = frozenset()
EAN_13 = "10100011010100111010111101111010001001011001101010100001010000101000010111010010000101100110101"
# Code 128 B: widths of bars and spaces by turns.
CODE_128 = "211214" + "132311 133121 231311 112313 132113 111323 132113 132113 112331 2331112".replace(" ", "")


@pytest.fixture(scope="module")
def engine() -> Reader:
    return reader()


def test_lines_on_tissue_are_found(engine: Reader) -> None:
    image, lines = written(3)
    boxes = engine.lines(image)
    assert [line for line in lines if covered(line, boxes) < 0.9] == []


def test_tissue_is_not_text(engine: Reader) -> None:
    assert engine.lines(free(2)) == []


def test_a_line_across_tiles_and_at_the_edge_is_found(engine: Reader) -> None:
    image = np.full((600, 800, 3), 30, np.uint8)
    image[::3, ::5] = 50
    for at in ((440, 300), (2, 597)):
        cv2.putText(
            image, "Nordmann Kari 03027012345", at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (230, 230, 230), 1, cv2.LINE_AA
        )
    boxes = engine.lines(image)
    ink = image.min(axis=2) > 150
    for box in boxes:
        ink[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert ink.sum() == 0


def test_orientation_letters_stay(engine: Reader) -> None:
    image = np.full((256, 256, 3), 20, np.uint8)
    for text, at in (("R", (8, 130)), ("LPH", (200, 130)), ("10 cm", (110, 246))):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (220, 220, 220), 1, cv2.LINE_AA)
    assert engine.lines(image) == []


@pytest.mark.parametrize("text", ["R", "LA", "RPH", "rmlo", "10 cm", "5", "0.5", "-40 dB", "W: 400", "[L]", "Supine"])
def test_safe_words(text: str) -> None:
    assert is_safe(text)


@pytest.mark.parametrize("text", ["Kari", "123", "030270", "R L Hansen", "54Y", "LL P", "AA", "03.02.70", "Dr A"])
def test_words_that_are_not_safe(text: str) -> None:
    assert not is_safe(text)


def test_a_safe_word_beside_text_goes_with_it() -> None:
    name, letter = Box(10, 10, 80, 12, 0.9, "text", "Nordmann"), Box(96, 10, 8, 12, 0.9, "text", "A")
    far = Box(10, 100, 8, 12, 0.9, "text", "L")
    assert chosen([name, letter, far], NOBODY) == [name, letter]
    assert chosen([letter, far], NOBODY) == []


def test_the_patients_own_words_go_at_less_confidence() -> None:
    faint = Box(10, 10, 80, 12, 0.4, "text", "N0RD nordmann ")
    assert chosen([faint], NOBODY) == []
    assert chosen([faint], frozenset(("Nordmann",))) == [faint]
    assert chosen([Box(1, 1, 9, 9, 0.9, "text", "PA")], frozenset(("PA",))) == []
    assert len(chosen([Box(1, 1, 9, 9, 0.9, "text", "LAO")], frozenset(("Lao",)))) == 1


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (400, 400), (401, 100), (3000, 2000)])
def test_tiles_cover_everything_and_overlap(rows: int, columns: int) -> None:
    image = np.zeros((rows, columns, 3), np.uint8)
    found = list(tiles(image))
    assert len({tile.shape for _, _, tile in found}) == 1
    for _, _, tile in found:
        tile += 1
    assert image.min() >= 1
    lefts = sorted({(left, tile.shape[1]) for left, _, tile in found})
    assert all(left + wide - following >= 96 for (left, wide), (following, _) in pairwise(lefts))


def qr(turned: int) -> NDArray[np.uint8]:
    buffer = BytesIO()
    segno.make("Nordmann^Kari 03027012345", error="m").save(buffer, kind="png", scale=3, border=4)
    return np.rot90(np.array(Image.open(buffer).convert("L"), np.uint8), turned)


def code_128(module: int, height: int) -> NDArray[np.uint8]:
    row = np.concatenate([np.full(int(width) * module, 255 * (place % 2)) for place, width in enumerate(CODE_128)])
    return np.pad(np.tile(row.astype(np.uint8), (height, 1)), 8, constant_values=255)


@pytest.mark.parametrize("label", [qr(0), qr(1), code_128(1, 40), code_128(2, 50), np.rot90(code_128(2, 50))])
def test_codes_are_covered_whole(label: NDArray[np.uint8]) -> None:
    image = free(0)
    rows, columns = label.shape
    image[100 : 100 + rows, 60 : 60 + columns] = label[:, :, None]
    ink = np.zeros(image.shape[:2], bool)
    ink[100 : 100 + rows, 60 : 60 + columns] = label < 128
    for box in codes(image):
        assert box.kind == "code"
        ink[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert ink.sum() == 0


def test_a_code_at_any_angle_is_covered_when_it_can_be_decoded() -> None:
    row = np.repeat(np.array([255 * (bit == "0") for bit in "0000000000" + EAN_13 + "0000000000"], np.uint8), 3)
    image = np.full((512, 512), 255, np.uint8)
    image[200:280, 60 : 60 + len(row)] = row
    turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((256, 256), 30, 1), (512, 512), borderValue=(255,))
    ink = turned < 128
    for box in codes(np.ascontiguousarray(cv2.cvtColor(turned, cv2.COLOR_GRAY2BGR), np.uint8)):
        ink[box.y : box.y + box.height, box.x : box.x + box.width] = False
    assert ink.sum() == 0


def test_tissue_grids_and_traces_are_no_codes() -> None:
    assert [seed for seed in range(1, 6) if codes(free(seed))] == []
    assert bars(np.zeros((40, 40), np.uint8)) == []


def region(encoding: Encoding, left: int, top: int, right: int, bottom: int) -> bytes:
    order = "little" if encoding.little else "big"
    corners = zip((0x00186018, 0x0018601A, 0x0018601C, 0x0018601E), (left, top, right, bottom), strict=True)
    values = (element(tag, b"UL", value.to_bytes(4, order), encoding) for tag, value in corners)  # type: ignore[arg-type]
    return element(0x00186012, b"US", b"\0\1", encoding) + b"".join(values)


@pytest.mark.parametrize("encoding", [EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE])
def test_everything_outside_the_regions_is_boxed(encoding: Encoding) -> None:
    value = sequence([region(encoding, 10, 5, 29, 19), region(encoding, 25, 15, 200, 24)], encoding)
    within = regions.inside(value, encoding, 40, 60)
    assert within is not None
    expected = np.zeros((40, 60), bool)
    expected[5:20, 10:30] = expected[15:25, 25:60] = True
    assert np.array_equal(within, expected)
    counted = np.zeros((40, 60), int)
    for box in regions.outside(within):
        assert box.kind == "region"
        counted[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert np.array_equal(counted, (~expected).astype(int))


def test_regions_that_are_none() -> None:
    assert regions.inside(b"", EXPLICIT_LE, 40, 60) is None
    assert regions.inside(sequence([region(EXPLICIT_LE, 100, 100, 200, 200)], EXPLICIT_LE), EXPLICIT_LE, 40, 60) is None
    with pytest.raises(CannotDeidentify):
        regions.corners(b"\xfe\xff\x00\xe0\x08\0\0\0\x18\0\x18\x60UL\x40\0", EXPLICIT_LE)
