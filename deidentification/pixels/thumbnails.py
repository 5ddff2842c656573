"""Small pictures for whoever reviews: PNG of at most 512 pixels a side."""

from typing import Final

import cv2
import numpy as np

from deidentification.pixels.rendering import Picture

LARGEST: Final = 512


def png(picture: Picture) -> bytes:
    """A BGR picture, made smaller where it is larger."""
    factor = LARGEST / max(picture.shape[:2])
    if factor < 1:
        size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
        picture = np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, encoded = cv2.imencode(".png", picture)
    return encoded.tobytes()
