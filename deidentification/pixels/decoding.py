"""One compressed frame through pydicom's decoders, after its own header was asked how large it is."""

import logging
import struct
import warnings
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import Decoder, get_decoder
from pydicom.uid import HTJ2K, UID, HTJ2KLossless, HTJ2KLosslessRPCL

from deidentification.errors import CannotDeidentify
from deidentification.pixels.image import Image

STEPS: Final = ((0x7FE00010, None),)
HIGH_THROUGHPUT: Final = frozenset((HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL))
# Start of frame of JPEG and JPEG-LS: baseline to lossless, without DHT, JPG and DAC.
FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
BARE: Final = frozenset((0x01, *range(0xD0, 0xDA)))
MOST_TILES: Final = 65535


def decoded(encoded: bytes, syntax: str, image: Image) -> NDArray[np.generic]:
    """rows × columns (× samples); YBR is converted to RGB, once. Raises CannotDeidentify."""
    decoder = _decoder(syntax)
    _check_size(encoded, image)
    item = b"\xfe\xff\x00\xe0"
    encoded += bytes(len(encoded) % 2)
    value = item + bytes(4) + item + struct.pack("<L", len(encoded)) + encoded
    options: dict[str, Any] = {
        "rows": image.rows, "columns": image.columns, "number_of_frames": 1, "samples_per_pixel": image.samples,
        "bits_allocated": image.allocated, "bits_stored": image.stored, "pixel_representation": int(image.signed),
        "photometric_interpretation": image.photometric, "planar_configuration": image.planar,
        "pixel_keyword": "PixelData",
    }  # fmt: skip
    if image.samples == 1:
        del options["planar_configuration"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array, properties = decoder.as_array(value, index=0, **options)
    except Exception as problem:
        raise CannotDeidentify("pixel-decode", f"a frame cannot be decoded ({type(problem).__name__})", STEPS) from None
    expected = (image.rows, image.columns, *((image.samples,) if image.samples > 1 else ()))
    colours = str(properties["photometric_interpretation"])
    if array.shape != expected or (image.samples == 3 and colours != "RGB"):
        raise CannotDeidentify("pixel-decode", "a decoded frame is not what the header says", STEPS)
    return array


@lru_cache(maxsize=32)
def _decoder(syntax: str) -> Decoder:
    """The decoder of a transfer syntax; high-throughput JPEG 2000 goes to OpenJPEG directly."""
    # Its messages about a broken frame quote what they found.
    logging.getLogger("pydicom").addHandler(logging.NullHandler())
    try:
        if syntax in HIGH_THROUGHPUT:
            decoder = Decoder(UID(syntax))
            decoder.add_plugin("openjpeg", ("deidentification.pixels.openjpeg", "decode_frame"))
        else:
            decoder = get_decoder(UID(syntax))
        available = decoder.is_available
    except NotImplementedError:
        available = False
    if not available:
        raise CannotDeidentify("pixel-decode", "there is no decoder for this transfer syntax", STEPS)
    return decoder


def _check_size(encoded: bytes, image: Image) -> None:
    """A frame that would decode to another size than the header's is not begun (a bomb, or a lie)."""
    found = declared(encoded)
    if found is not None and found != (image.rows, image.columns, image.samples):
        raise CannotDeidentify("pixel-decode", "a frame declares another size than the header", STEPS)


def declared(encoded: bytes) -> tuple[int, int, int] | None:
    """(rows, columns, samples) that a JPEG, JPEG-LS or JPEG 2000 frame declares; None for other codecs."""
    try:
        if encoded.startswith(b"\xff\xd8"):
            return _jpeg(encoded)
        at = encoded.find(b"\xff\x4f\xff\x51")
        if at == 0 or (at > 0 and encoded.startswith(b"\0\0\0\x0cjP  ")):
            return _jpeg_2000(encoded, at)
    except (struct.error, IndexError):
        raise CannotDeidentify("pixel-decode", "a frame's header cannot be read", STEPS) from None
    return None


def _jpeg(encoded: bytes) -> tuple[int, int, int]:
    at = 2
    while True:
        if encoded[at] != 0xFF:
            raise IndexError(at)
        marker = encoded[at + 1]
        if marker in FRAME_HEADERS:
            rows, columns, samples = struct.unpack_from(">HHB", encoded, at + 5)
            return rows, columns, samples
        at += 1 if marker == 0xFF else 2 if marker in BARE else 2 + struct.unpack_from(">H", encoded, at + 2)[0]


def _jpeg_2000(encoded: bytes, at: int) -> tuple[int, int, int]:
    wide, high, left, top, tile_wide, tile_high, _, _, samples = struct.unpack_from(">8LH", encoded, at + 8)
    tiles = -(-wide // max(tile_wide, 1)) * -(-high // max(tile_high, 1))
    if tiles > MOST_TILES:
        raise CannotDeidentify("pixel-decode", "a frame is cut into too many tiles", STEPS)
    return high - top, wide - left, samples
