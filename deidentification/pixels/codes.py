"""QR codes and bar codes in a picture: OpenCV's detectors, and one of our own for bars that they miss."""

from functools import lru_cache
from math import ceil
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from deidentification.pixels.findings import Box
from deidentification.pixels.rendering import Picture

Corners = NDArray[np.float32]
MARGIN: Final = 4
# Bars: within `WINDOW` columns at least `LEAST_EDGES` edges that go straight through `LEAST_ROWS` rows, with a contrast
# that ink on paper has, and hardly anything between them that does not.
WINDOW, LEAST_EDGES, LEAST_ROWS, LEAST_CONTRAST, STRAIGHT = 80, 9, 11, 60, 0.85
LEAST_AREA: Final = 600
STRIP, OVERLAP = 256, 64


@lru_cache(maxsize=1)
def _detectors() -> tuple[Any, Any]:
    return cv2.QRCodeDetectorAruco(), cv2.barcode.BarcodeDetector()


def codes(picture: Picture) -> list[Box]:
    """Boxes of kind `code`."""
    grey = np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    if int(grey.max()) - int(grey.min()) < LEAST_CONTRAST or min(grey.shape) < 16:
        return []
    found = [_box(points, grey.shape) for points in (*_squares(grey), *_decoded_bars(grey))]
    found += _in_strips(grey)
    found += (Box(box.y, box.x, box.height, box.width, 1.0, "code") for box in _in_strips(grey.T))
    return [box for box in found if box.width > 0 and box.height > 0]


def _squares(grey: Picture) -> list[Corners]:
    """Corners of QR codes, whether they can be decoded or not."""
    try:
        _, points = _detectors()[0].detectMulti(grey)
    except cv2.error:
        return []
    return [] if points is None else [np.asarray(each).reshape(-1, 2) for each in points]


def _decoded_bars(grey: Picture) -> list[Corners]:
    """Corners of bar codes at any angle that can be decoded: what is only suspected to be one mostly is tissue."""
    try:
        _, texts, _, points = _detectors()[1].detectAndDecodeWithType(grey)
    except cv2.error:
        return []
    pairs = zip(texts, [] if points is None else points, strict=False)
    return [np.asarray(each).reshape(-1, 2) for text, each in pairs if text]


def _box(points: Corners, shape: tuple[int, ...]) -> Box:
    left, top = (max(0, int(edge) - MARGIN) for edge in points.min(axis=0))
    right, bottom = (ceil(edge) + 1 + MARGIN for edge in points.max(axis=0))
    return Box(left, top, min(right, shape[1]) - left, min(bottom, shape[0]) - top, 1.0, "code")


def _in_strips(grey: Picture) -> list[Box]:
    """`bars` of the rows by and by: what is computed for a pixel is many times its size."""
    found: list[Box] = []
    for top in range(0, max(1, len(grey) - OVERLAP), STRIP - OVERLAP):
        strip = np.ascontiguousarray(grey[top : top + STRIP])
        found += (box._replace(y=box.y + top) for box in bars(strip))
    return found


def bars(grey: Picture) -> list[Box]:
    """Upright bars of one-dimensional codes."""
    kernel = np.ones((LEAST_ROWS, 1), np.uint8)
    around = (25, 25)
    high, low = cv2.dilate(grey, np.ones(around, np.uint8)), cv2.erode(grey, np.ones(around, np.uint8))
    middle = (high.astype(np.uint16) + low) // 2
    dark = (grey < middle).astype(np.uint8)
    straight = (cv2.erode(dark, kernel) == cv2.dilate(dark, kernel)) & (high.astype(np.int16) - low > LEAST_CONTRAST)
    edges = np.zeros(grey.shape, np.float32)
    edges[:, 1:] = (dark[:, 1:] != dark[:, :-1]) & straight[:, 1:] & straight[:, :-1]
    size = (min(WINDOW, grey.shape[1]), 1)
    many = cv2.boxFilter(edges, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT) >= LEAST_EDGES
    clean = cv2.boxFilter(straight.astype(np.float32), -1, size, borderType=cv2.BORDER_CONSTANT) >= STRAIGHT
    count, _, stats, _ = cv2.connectedComponentsWithStats((many & clean).astype(np.uint8))
    found = []
    for left, top, width, height, area in stats[1:count]:
        if area >= LEAST_AREA:
            # The window leaves out about half of itself at both ends, erosion half of the kernel.
            reach, half = WINDOW // 2, LEAST_ROWS // 2 + MARGIN
            points = np.array([[left - reach, top - half], [left + width + reach, top + height + half]], np.float32)
            found.append(_box(points, grey.shape))
    return found
