"""A frame as pictures of 8 bits, for reading and for thumbnails: every photometric interpretation, every depth."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from deidentification.dataset.encoding import Encoding
from deidentification.pixels import palette, windows
from deidentification.pixels.frames import Samples
from deidentification.pixels.image import SUBSAMPLED, Image

Picture = NDArray[np.uint8]


class Renderer:
    """Frames of one image as BGR pictures."""

    def __init__(self, image: Image, captured: Mapping[int, bytes], encoding: Encoding) -> None:
        self.image = image
        self.palette = None
        self.asked = windows.of_header(captured)
        if image.photometric == "PALETTE COLOR":
            self.palette = palette.table(captured, encoding, image.signed)

    def pictures(self, samples: Samples) -> Iterator[Picture]:
        """What has to be read to have seen the frame: usually one picture, more where one would hide something."""
        if self.palette is not None:
            yield self._mapped(self._grey(samples))
        elif self.image.samples >= 3:
            yield self._coloured(self._values(shaped(samples, self.image)))
        else:
            grey = self._grey(samples)
            seen = windows.windows(grey)
            for low, high in (*seen, *windows.unlike(self.asked, seen, grey)):
                yield _in_colour(_scaled(grey, low, high))
            equal = windows.equalised(grey)
            if equal is not None:
                yield _in_colour(equal)
        beside = self._unused_bits(samples)
        if beside is not None:
            yield beside

    def shown(self, samples: Samples) -> Picture:
        """The frame as a person would see it."""
        if self.palette is not None or self.image.samples >= 3:
            return next(self.pictures(samples))
        grey = self._grey(samples)
        picture = _in_colour(_scaled(grey, *windows.windows(grey)[-1]))
        return 255 - picture if self.image.photometric == "MONOCHROME1" else picture

    def _grey(self, samples: Samples) -> Samples:
        values = self._values(shaped(samples, self.image))
        return values if values.ndim == 2 else values[:, :, 0]

    def _values(self, samples: Samples) -> Samples:
        """The stored bits of each sample as numbers."""
        image = self.image
        if image.floating:
            return np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        if image.stored == image.allocated or image.allocated == 1:
            return samples
        left, right = image.allocated - 1 - image.high, image.allocated - image.stored
        native = samples.astype(samples.dtype.newbyteorder("="))
        return (native << left) >> right

    def _unused_bits(self, samples: Samples) -> Picture | None:
        """A picture of the bits beside the stored ones, when there is one in them."""
        image = self.image
        if image.floating or image.allocated == 1 or image.stored == image.allocated or image.photometric in SUBSAMPLED:
            return None
        stored = ((1 << image.stored) - 1) << (image.high + 1 - image.stored)
        bits = samples.view(samples.dtype.str.replace("i", "u"))
        beside = bits & np.array(~stored & ((1 << image.allocated) - 1), bits.dtype)
        if not beside.any():
            return None
        high = 1 << image.high
        above = ((1 << image.allocated) - 1) & ~((1 << (image.high + 1)) - 1)
        extended = np.where(bits & np.array(high, bits.dtype), np.array(above, bits.dtype), np.array(0, bits.dtype))
        if image.signed and np.array_equal(beside, extended):
            return None
        plane = shaped((beside != 0).astype(np.uint8) * 255, image)
        grey = plane if plane.ndim == 2 else plane.max(axis=2)
        return _in_colour(np.ascontiguousarray(grey))

    def _mapped(self, values: Samples) -> Picture:
        assert self.palette is not None  # noqa: S101  what is so here, said to mypy
        first, table = self.palette
        index = np.clip(values.astype(np.int64) - first, 0, len(table) - 1)
        return np.ascontiguousarray(table[index][:, :, ::-1])

    def _coloured(self, values: Samples) -> Picture:
        photometric = self.image.photometric
        if photometric in SUBSAMPLED:
            pairs = values.reshape(self.image.rows, self.image.columns // 2, 4)
            luma = pairs[:, :, :2].reshape(self.image.rows, self.image.columns)
            blue, red = (np.repeat(pairs[:, :, place], 2, axis=1) for place in (2, 3))
            bytes_ = np.stack([luma, blue, red], axis=2).astype(np.uint8)
        else:
            bytes_ = _bytes(values, self.image)
        if photometric.startswith("YBR"):
            return np.ascontiguousarray(cv2.cvtColor(bytes_[:, :, (0, 2, 1)], cv2.COLOR_YCrCb2BGR), np.uint8)
        if photometric == "CMYK":
            inks = 255 - bytes_.astype(np.int32)
            bytes_ = (inks[:, :, :3] * inks[:, :, 3:4] // 255).astype(np.uint8)
        colours = bytes_[:, :, 1:4] if photometric == "ARGB" else bytes_[:, :, :3]
        return np.ascontiguousarray(colours[:, :, ::-1])


def _in_colour(grey: Picture) -> Picture:
    return np.ascontiguousarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def shaped(samples: Samples, image: Image) -> Samples:
    """A view of a frame's flat samples: rows × columns (× samples); subsampled ones rows × pairs × 4."""
    if image.photometric in SUBSAMPLED:
        return samples.reshape(image.rows, image.columns // 2, 4)
    if image.samples == 1:
        return samples.reshape(image.rows, image.columns)
    if image.planar == 1:
        return samples.reshape(image.samples, image.rows, image.columns).transpose(1, 2, 0)
    return samples.reshape(image.rows, image.columns, image.samples)


def _bytes(values: Samples, image: Image) -> Picture:
    """Colours of any depth in 8 bits."""
    if values.dtype == np.uint8 and image.stored == 8:
        return values.astype(np.uint8, copy=False)
    whole = values.astype(np.float32)
    return _scaled(whole, float(whole.min()), float(whole.max()))


def _scaled(values: Samples, low: float, high: float) -> Picture:
    if (low, high) == (0.0, 255.0) and values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    factor = 255.0 / (high - low) if high > low else 0.0
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(factor)
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)
