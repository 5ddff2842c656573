"""Frames one by one, in the memory of one: native ones as the bytes they are, compressed ones decoded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from deidentification.dataset.source import Source
from deidentification.errors import CannotDeidentify
from deidentification.pixels import decoding, fragments, image
from deidentification.pixels.copying import Pixels
from deidentification.pixels.image import Image

# A frame as a flat array, in the order in which its Image says that samples are written.
Samples = NDArray[Any]
# Decoding and reading need a small multiple of one frame; what a file may claim is limited before anything is made.
FRAME_LIMIT: Final = 128 * 1024 * 1024
# The length of an element of defined length (PS3.5 7.1.1), which uncompressed pixel data must be.
SIZE_LIMIT: Final = 0xFFFFFFFE
DTYPES: Final = {1: "u1", 8: "u1", 16: "u2", 32: "u4", 64: "u8"}
STEPS: Final = ((image.PIXELS, None),)


def dtype(shape: Image, little: bool) -> np.dtype[Any]:
    """How one sample is stored."""
    order = "<" if little else ">"
    if shape.floating:
        return np.dtype(f"{order}f{shape.allocated // 8}")
    if shape.allocated not in DTYPES:
        raise CannotDeidentify("pixel-description", "samples of this many bits are not read", STEPS)
    kind = DTYPES[shape.allocated]
    return np.dtype(order + (kind.replace("u", "i") if shape.signed and shape.allocated > 1 else kind))


def limited(shape: Image) -> Image:
    """The same, when its frames and all of them are within the limits and hold what can be shown."""
    if shape.frame_bits // 8 > FRAME_LIMIT or shape.rows * shape.columns > FRAME_LIMIT or shape.size > SIZE_LIMIT:
        raise CannotDeidentify("pixel-size", "the image is larger than what is decoded", STEPS)
    if shape.photometric in image.SUBSAMPLED and (shape.columns % 2 or shape.allocated != 8 or shape.samples != 3):
        raise CannotDeidentify("pixel-description", "the image cannot be subsampled as it says", STEPS)
    stored = shape.stored if not shape.floating else shape.allocated
    if not 0 < stored <= shape.high + 1 <= shape.allocated and not shape.floating:
        raise CannotDeidentify("pixel-description", "more bits are stored than allocated", STEPS)
    return shape


@dataclass(frozen=True)
class Native:
    """Uncompressed frames, read from their place in the file."""

    source: Source
    start: int
    image: Image
    swapped: bool

    def read(self, index: int) -> Samples:
        """Frame `index`."""
        _, skip, data = self.span(index)
        if self.image.allocated == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            return bits[skip : skip + self.image.frame_bits]
        data = data[skip // 8 : skip // 8 + self.image.frame_bits // 8]
        return np.frombuffer(bytearray(data), dtype(self.image, self.source.syntax.encoding.little))

    def patched(self, index: int, samples: Samples) -> tuple[int, bytes]:
        """Where to write what, so that frame `index` becomes `samples`; its neighbours' bits stay."""
        first, skip, data = self.span(index)
        if self.image.allocated == 1:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            bits[skip : skip + len(samples)] = samples
            return first, self._ordered(np.packbits(bits, bitorder="little").tobytes())
        new = samples.tobytes()
        return first, self._ordered(data[: skip // 8] + new + data[skip // 8 + len(new) :])

    def span(self, index: int) -> tuple[int, int, bytes]:
        """Offset of the first byte that frame `index` touches, bits before it, and the bytes in pixel order."""
        bits = index * self.image.frame_bits
        first, last = bits // 8, (bits + self.image.frame_bits + 7) // 8
        if self.swapped:
            first, last = first - first % 2, last + last % 2
        data = self.source.read(self.start + first, last - first)
        if 8 * len(data) < bits - 8 * first + self.image.frame_bits:
            raise CannotDeidentify("pixel-length", "the pixel data is shorter than the image", STEPS)
        return first, bits - 8 * first, self._ordered(data)

    def _ordered(self, data: bytes) -> bytes:
        """Bytes of big endian words in the order of pixels, and back."""
        if not self.swapped:
            return data
        padded = data + bytes(len(data) % 2)
        return np.frombuffer(padded, np.uint16).byteswap().tobytes()


class Compressed:
    """Encapsulated frames, decoded one at a time; colours other than monochrome and palette come out as RGB."""

    def __init__(self, source: Source, found: Pixels, shape: Image) -> None:
        self.syntax = source.syntax.uid
        self.source = source
        self.shape = shape
        self.spans = fragments.frames(source, found.start, shape.frames)
        colours = shape.photometric
        if shape.samples > 1 and colours not in ("RGB", "ARGB", "CMYK"):
            colours = "RGB"
        self.image = limited(replace(shape, photometric=colours, planar=0))

    def read(self, index: int) -> Samples:
        """Frame `index`, decoded."""
        if sum(length for _, length in self.spans[index]) > FRAME_LIMIT:
            raise CannotDeidentify("pixel-size", "a frame is larger than what is decoded", STEPS)
        encoded = b"".join(self.source.read(start, length) for start, length in self.spans[index])
        return decoding.decoded(encoded, self.syntax, self.shape).astype(dtype(self.image, True)).ravel()


def opened(source: Source, found: Pixels, tag: int, captured: Mapping[int, bytes]) -> Native | Compressed:
    """The frames of a located pixel data element. Raises CannotDeidentify when nobody could decode them."""
    shape = image.described(captured, source.syntax.encoding, tag)
    if source.syntax.encapsulated:
        return Compressed(source, found, limited(shape))
    if shape.photometric in image.SUBSAMPLED and found.end - found.start >= 3 * shape.size // 2:
        shape = replace(shape, photometric=shape.photometric.removesuffix("_422"))
    swapped = not source.syntax.encoding.little and found.header[4:6] == b"OW" and shape.allocated <= 8
    dtype(shape, True)
    return Native(source, found.start, limited(shape), swapped)
