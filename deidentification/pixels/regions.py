"""Ultrasound regions (PS3.3 C.8.5.5): where the picture is; what lies outside them is the machine's own text."""

from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deidentification.dataset.encoding import IMPLICIT_LE, ITEM, ITEM_END, UNDEFINED, Encoding
from deidentification.dataset.reader import Buffer
from deidentification.errors import CannotDeidentify, NeedMore
from deidentification.pixels.findings import Box
from deidentification.pixels.image import ULTRASOUND_REGIONS

MIN_X, MIN_Y, MAX_X, MAX_Y = 0x00186018, 0x0018601A, 0x0018601C, 0x0018601E
CORNERS: Final = (MIN_X, MIN_Y, MAX_X, MAX_Y)
MOST_REGIONS: Final = 256


def inside(value: bytes, encoding: Encoding, rows: int, columns: int) -> NDArray[np.bool_] | None:
    """True where one of the regions is; None when the sequence has no region within the image."""
    found = np.zeros((rows, columns), bool)
    for left, top, right, bottom in corners(value, encoding):
        found[top : bottom + 1, left : right + 1] = True
    return found if found.any() else None


def outside(within: NDArray[np.bool_]) -> tuple[Box, ...]:
    """The rest of the frame as few rectangles: bands of rows that look alike, cut into their runs."""
    boxes: list[Box] = []
    starts = [0, *(int(row) + 1 for row in np.flatnonzero((within[1:] != within[:-1]).any(axis=1))), len(within)]
    for top, bottom in pairwise(starts):
        edges = np.flatnonzero(np.diff(np.concatenate(([True], within[top], [True])).astype(np.int8)))
        boxes += [
            Box(int(left), top, int(right - left), bottom - top, 1.0, "region")
            for left, right in zip(edges[::2], edges[1::2], strict=True)
        ]
    return tuple(boxes)


def corners(value: bytes, encoding: Encoding) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) of every region, the last column and row included, from the sequence's items."""
    try:
        return _corners(value, encoding)
    except (NeedMore, IndexError, ValueError):
        raise CannotDeidentify(
            "structure", "the ultrasound regions cannot be read", ((ULTRASOUND_REGIONS, None),)
        ) from None


def _corners(value: bytes, encoding: Encoding) -> list[tuple[int, int, int, int]]:
    buffer, at, found = Buffer(value, len(value)), 0, list[tuple[int, int, int, int]]()
    while at + 8 <= len(value):
        tag, length = buffer.item(at, len(value), encoding)
        if tag != ITEM:
            break
        at += 8
        end = len(value) if length == UNDEFINED else min(at + length, len(value))
        region: dict[int, int] = {}
        while at < end:
            tag, vr, start, length = buffer.header(at, end, encoding)
            if tag == ITEM_END:
                at = start
                break
            at = start + length
            if length == UNDEFINED:
                at = buffer.skip(start, end, IMPLICIT_LE if vr == b"UN" else encoding)
            elif at > end:
                raise IndexError(at)
            elif tag in CORNERS and length == 4:
                region[tag] = int.from_bytes(value[start:at], "little" if encoding.little else "big")
        if len(region) == len(CORNERS):
            found.append((region[MIN_X], region[MIN_Y], region[MAX_X], region[MAX_Y]))
        if len(found) > MOST_REGIONS:
            raise ValueError(len(found))
    return found
