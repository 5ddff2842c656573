"""Text in a picture: detected and read by small networks that come with a wheel, tile by tile, on one core."""

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deidentification.pixels.findings import Box
from deidentification.pixels.networks import Networks, Quad
from deidentification.pixels.rendering import Picture
from deidentification.pixels.safe_words import is_safe

# Lines of 8 pixels need enlarging; tiles of one size keep memory the same for every image, and overlap by more than
# the height of a line. Measured by `python -m benchmarks.burned_in`.
TILE, OVERLAP, SCALE, BORDER = 400, 96, 1.5, 8
# A box that detection proposes counts when it can be read, upright or turned round, with at least this confidence;
# when it reads as a word of the patient's own, less will do.
READ, READ_OWN = 0.6, 0.3
LEAST_OWN: Final = 3
MARGIN, MARGIN_SHARE = 3, 8
FLAT: Final = 6
REMEMBERED: Final = 4096


class Reader:
    """The networks, loaded once per process, and what they said of tiles that were seen before."""

    def __init__(self) -> None:
        self.networks = Networks()
        self.equalizer = cv2.createCLAHE(3.0, (8, 8))
        self.known: OrderedDict[bytes, tuple[Box, ...]] = OrderedDict()

    def lines(self, picture: Picture, own: frozenset[str] = frozenset()) -> list[Box]:
        """What to hide of a BGR picture: lines with text, grown by a margin, safe words left out where they are alone.

        `own` are the patient's words. Equal tiles are read once per process: the same bytes give the same answer.
        """
        found: list[Box] = []
        for left, top, tile in tiles(picture):
            found += (box._replace(x=box.x + left, y=box.y + top) for box in self._known(tile))
        rows, columns = picture.shape[:2]
        return [_clipped(box, rows, columns) for box in chosen(found, own)]

    def _known(self, tile: Picture) -> tuple[Box, ...]:
        key = blake2b(tile.tobytes(), digest_size=16, key=repr(tile.shape).encode()).digest()
        if key in self.known:
            self.known.move_to_end(key)
            return self.known[key]
        found = tuple(self._read(tile))
        self.known[key] = found
        if len(self.known) > REMEMBERED:
            self.known.popitem(last=False)
        return found

    def _read(self, tile: Picture) -> Iterator[Box]:
        """Every line that detection proposes, as the tile is and with its contrast evened out."""
        if int(tile.max()) - int(tile.min()) < FLAT:
            return
        padded = cv2.copyMakeBorder(tile, BORDER, BORDER, BORDER, BORDER, cv2.BORDER_REPLICATE)
        large = cv2.resize(padded, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
        seen = np.zeros(large.shape[:2], bool)
        for picture in (large, self._even(large)):
            for quad in self.networks.detected(picture):
                if _covered(quad, seen):
                    continue
                text, confidence = self.networks.read(picture, quad)
                if confidence >= READ:
                    left, top, right, bottom = _bounds(quad)
                    seen[top:bottom, left:right] = True
                yield _box(_bounds(quad), text, confidence)

    def _even(self, picture: NDArray[Any]) -> NDArray[Any]:
        planes = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
        planes[:, :, 0] = self.equalizer.apply(planes[:, :, 0])
        return cv2.cvtColor(planes, cv2.COLOR_LAB2BGR)


@lru_cache(maxsize=1)
def reader() -> Reader:
    """The process's reader."""
    return Reader()


def tiles(picture: Picture) -> Iterator[tuple[int, int, Picture]]:
    """(left, top, tile) of as few equal tiles as cover the picture."""
    rows, columns = picture.shape[:2]
    for top, high in _cut(rows):
        for left, wide in _cut(columns):
            yield left, top, picture[top : top + high, left : left + wide]


def _cut(length: int) -> list[tuple[int, int]]:
    if length <= TILE:
        return [(0, length)]
    count = ceil((length - OVERLAP) / (TILE - OVERLAP))
    wide = ceil((length + (count - 1) * OVERLAP) / count)
    return [(round(place * (length - wide) / (count - 1)), wide) for place in range(count)]


def chosen(found: list[Box], own: frozenset[str]) -> list[Box]:
    """The lines to hide; a safe word beside one of them goes, too."""
    hidden, safe = list[Box](), list[Box]()
    for box in found:
        if _is_own(box, own):
            hidden.append(box)
        elif box.confidence >= READ and box.text.strip():
            (safe if is_safe(box.text) else hidden).append(box)
    grown = True
    while grown:
        beside = [box for box in safe if any(_beside(box, other) for other in hidden)]
        safe = [box for box in safe if box not in beside]
        hidden += beside
        grown = bool(beside)
    return hidden


def _is_own(box: Box, own: frozenset[str]) -> bool:
    if box.confidence < READ_OWN or not own:
        return False
    text = "".join(box.text.split()).casefold()
    return any(len(word) >= LEAST_OWN and word.casefold() in text for word in own)


def _beside(box: Box, other: Box) -> bool:
    """Whether both stand in one line, less than a letter or two apart, or in one column of turned text."""
    gap_x = max(other.x - box.x - box.width, box.x - other.x - other.width)
    gap_y = max(other.y - box.y - box.height, box.y - other.y - other.height)
    size = min(max(box.height, 8), max(other.height, 8))
    across = min(max(box.width, 8), max(other.width, 8))
    return (gap_y < -size // 3 and gap_x < 2 * size) or (gap_x < -across // 3 and gap_y < across)


def _bounds(quad: Quad) -> tuple[int, int, int, int]:
    low, high = quad.min(axis=0), quad.max(axis=0)
    return int(low[0]), int(low[1]), ceil(high[0]) + 1, ceil(high[1]) + 1


def _box(bounds: tuple[int, int, int, int], text: str, confidence: float) -> Box:
    """In the tile's own pixels."""
    left, top = (int(edge / SCALE) - BORDER for edge in bounds[:2])
    right, bottom = (ceil(edge / SCALE) - BORDER for edge in bounds[2:])
    return Box(left, top, right - left, bottom - top, confidence, "text", text)


def _covered(quad: Quad, seen: NDArray[np.bool_]) -> bool:
    left, top, right, bottom = _bounds(quad)
    part = seen[top:bottom, left:right]
    return part.size == 0 or bool(part.mean() > 0.9)


def _clipped(box: Box, rows: int, columns: int) -> Box:
    margin = max(MARGIN, min(box.width, box.height) // MARGIN_SHARE)
    left, top = max(0, box.x - margin), max(0, box.y - margin)
    right, bottom = min(columns, box.x + box.width + margin), min(rows, box.y + box.height + margin)
    return box._replace(x=left, y=top, width=right - left, height=bottom - top)
