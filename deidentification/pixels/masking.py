"""Rectangles of a frame filled with black, in the frame's own terms."""

from collections.abc import Iterable
from typing import Final

import numpy as np

from deidentification.pixels.findings import Box
from deidentification.pixels.frames import Samples
from deidentification.pixels.image import SUBSAMPLED, Image
from deidentification.pixels.rendering import Renderer, shaped

# Luma of black: full range, and studio range.
DARKEST: Final = {"YBR_PARTIAL_422": 16, "YBR_PARTIAL_420": 16}


def filled(samples: Samples, boxes: Iterable[Box], renderer: Renderer, padding: tuple[int, int] | None) -> bool:
    """Fill `boxes` of the frame in place; whether any sample changed.

    `padding` is the range of Pixel Padding Value (0028,0120): monochrome black is chosen outside it where there is
    a value outside, so that what is hidden does not look like what was never imaged.
    """
    image = renderer.image
    frame = shaped(samples, image)
    subsampled = image.photometric in SUBSAMPLED
    value: Samples | None = None
    changed = False
    for box in boxes:
        left, right = max(box.x, 0), min(box.x + box.width, image.columns)
        top, bottom = max(box.y, 0), min(box.y + box.height, image.rows)
        if subsampled:
            # Neighbours share their colours, so both go.
            left, right = left // 2, (right + 1) // 2
        if left >= right or top >= bottom:
            continue
        value = black(samples, renderer, padding) if value is None else value
        part = frame[top:bottom, left:right]
        changed = changed or bool((part != value).any())
        part[...] = value
    return changed


def black(samples: Samples, renderer: Renderer, padding: tuple[int, int] | None) -> Samples:
    """The samples of one pixel that is shown black."""
    image, kind = renderer.image, samples.dtype
    photometric = image.photometric
    if photometric.startswith("YBR"):
        middle = 1 << (image.stored - 1)
        luma = DARKEST.get(photometric, 0)
        pixel = (luma, luma, middle, middle) if photometric in SUBSAMPLED else (luma, middle, middle)
        return np.array(pixel, kind)
    if photometric == "CMYK":
        return np.array((0, 0, 0, (1 << image.stored) - 1), kind)
    if renderer.palette is not None:
        first, table = renderer.palette
        darkest = first + int(table.astype(np.int32).sum(axis=1).argmin())
        return np.array(darkest << (image.high + 1 - image.stored), kind)
    if image.samples > 1:
        return np.zeros(image.samples, kind)
    return np.array(_grey(samples, image, padding), kind)


def _grey(samples: Samples, image: Image, padding: tuple[int, int] | None) -> float | int:
    if image.allocated == 1:
        return int(image.photometric == "MONOCHROME1")
    inverted = image.photometric == "MONOCHROME1"
    if image.floating:
        finite = samples[np.isfinite(samples)]
        return float(finite.max() if inverted else finite.min()) if finite.size else 0.0
    shift = image.high + 1 - image.stored
    low, high = (
        (-(1 << image.stored - 1), (1 << image.stored - 1) - 1) if image.signed else (0, (1 << image.stored) - 1)
    )
    if image.signed and shift == 0:
        # The darkest value that the frame has: the darkest possible one would upset every automatic window.
        low, high = max(low, int(samples.min())), min(high, int(samples.max()))
    first = high if inverted else low
    if padding and padding[0] <= first <= padding[1]:
        beyond = padding[0] - 1 if inverted else padding[1] + 1
        first = beyond if low <= beyond <= high else first
    return first << shift
