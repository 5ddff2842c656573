"""Text that stands still while the ground moves: read in one frame, it is known again in those that overlook it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from deidentification.pixels.findings import Box
from deidentification.pixels.frames import Samples

# Correlation from which two frames show the same at a place. A line on other ground keeps most of it; the ground
# without the line has little, as ink outweighs what it stands on. Doubt hides.
ALIKE: Final = 0.25


class Stamp(NamedTuple):
    """A place in the frame in which something was read there, and how that looked (less its mean)."""

    box: Box
    picture: Samples


def stamped(box: Box, shown: Samples) -> Stamp:
    """What `shown` (rows × columns, or with a last axis of colours) has in the box."""
    return Stamp(box, _levelled(box, shown))


def stands(stamp: Stamp, shown: Samples) -> bool:
    """Whether another frame seems to show the same in the same place."""
    here = _levelled(stamp.box, shown)
    size = float(np.linalg.norm(here) * np.linalg.norm(stamp.picture))
    return size > 0 and float(np.vdot(here, stamp.picture)) >= ALIKE * size


def outermost(boxes: Iterable[Box]) -> list[Box]:
    """The boxes that lie in no other one, the largest first."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda each: (-each.width * each.height, each.y, each.x, each.width, each.kind)):
        if not any(_within(box, other) for other in kept):
            kept.append(box)
    return kept


def _levelled(box: Box, shown: Samples) -> Samples:
    part = shown[box.y : box.y + box.height, box.x : box.x + box.width].astype(np.float32)
    return part - part.mean() if part.size else part


def _within(box: Box, other: Box) -> bool:
    return (
        other.x <= box.x
        and other.y <= box.y
        and box.x + box.width <= other.x + other.width
        and box.y + box.height <= other.y + other.height
    )
