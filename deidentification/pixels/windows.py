"""Windows of grey values: between which values of a frame something could be plain to see."""

from collections.abc import Mapping
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from deidentification.pixels.frames import Samples
from deidentification.pixels.image import CENTER, INTERCEPT, SLOPE, WIDTH

Window = tuple[float, float]
# A window that leaves out the rarest values is read, too, when it is much narrower than the whole range; so is one of
# the header when it is unlike the others.
RAREST: Final = (0.5, 99.5)
NARROW: Final = 0.6
SAMPLED: Final = 200_000
# Bytes of at least this range are shown as they are.
CONTRAST: Final = 128
MOST_OF_HEADER: Final = 4
BYTES: Final = 256


def windows(grey: Samples) -> list[Window]:
    """The whole range of values, and the range without the rarest ones where that is much narrower."""
    low, high = float(grey.min()), float(grey.max())
    if grey.dtype == np.uint8 and high - low >= CONTRAST:
        return [(0.0, 255.0)]
    step = max(1, grey.size // SAMPLED)
    inner_low, inner_high = (float(each) for each in np.percentile(grey.ravel()[::step], RAREST))
    if inner_high - inner_low < NARROW * (high - low) and inner_high > inner_low:
        return [(low, high), (inner_low, inner_high)]
    return [(low, high)]


def of_header(captured: Mapping[int, bytes]) -> tuple[Window, ...]:
    """The windows that the header asks a viewer for, in stored values (PS3.3 C.11.2.1.2)."""
    slope, intercept = next(iter(_numbers(captured, SLOPE)), 1.0), next(iter(_numbers(captured, INTERCEPT)), 0.0)
    found = []
    for center, width in zip(_numbers(captured, CENTER), _numbers(captured, WIDTH), strict=False):
        ends = [(center + side * max(width, 1.0) / 2 - intercept) / (slope or 1.0) for side in (-1, 1)]
        if isfinite(sum(ends)):
            found.append((min(ends), max(ends)))
    return tuple(found)


def unlike(asked: tuple[Window, ...], seen: list[Window], grey: Samples) -> list[Window]:
    """Those of the windows asked for that show something of the frame and are clearly unlike the ones seen."""
    bottom, top = float(grey.min()), float(grey.max())
    found: list[Window] = []
    for low, high in asked:
        if len(found) == MOST_OF_HEADER:
            break
        window = max(low, bottom), min(high, top)
        if window[0] < window[1] and not any(_alike(window, other) for other in (*seen, *found)):
            found.append(window)
    return found


def equalised(grey: Samples) -> NDArray[np.uint8] | None:
    """Each value as the share of pixels below it, in bytes; None where bytes show all values anyhow."""
    low, high = float(grey.min()), float(grey.max())
    if not high > low or (grey.dtype.kind != "f" and high - low < BYTES):
        return None
    flat = grey.ravel()
    ordered = np.sort(flat[:: max(1, grey.size // SAMPLED)])
    shares = np.empty(grey.size, np.uint8)
    for at in range(0, grey.size, SAMPLED):
        part = flat[at : at + SAMPLED]
        # Half of the equals count, so that a value that fills the ground stands in the middle of its share.
        twice = np.searchsorted(ordered, part, side="left") + np.searchsorted(ordered, part, side="right")
        shares[at : at + SAMPLED] = twice * (255.0 / (2 * len(ordered)))
    return shares.reshape(grey.shape)


def _alike(window: Window, other: Window) -> bool:
    shared = min(window[1], other[1]) - max(window[0], other[0])
    return shared >= NARROW * (max(window[1], other[1]) - min(window[0], other[0]))


def _numbers(captured: Mapping[int, bytes], tag: int) -> list[float]:
    try:
        return [float(each) for each in captured.get(tag, b"").strip(b"\0 ").split(b"\\") if each.strip()]
    except ValueError:
        return []
