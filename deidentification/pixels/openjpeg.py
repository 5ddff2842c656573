"""High-throughput JPEG 2000 for pydicom's decoders, by OpenJPEG alone."""

from typing import Final

from openjpeg.utils import decode_pixel_data
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL

DECODER_DEPENDENCIES: Final = dict.fromkeys((HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), ("pylibjpeg-openjpeg>=2.4",))
CONTAINERS: Final = ((8, 8), (16, 16), (32, 32))


def is_available(uid: str) -> bool:
    """Whether the plugin decodes this transfer syntax."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """The frame's samples; the container is as wide as the codestream's precision, and colours come out as RGB."""
    frame = decode_pixel_data(src, version=2)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")
    precision = runner.get_option("j2k_precision", runner.bits_stored)
    runner.set_option("bits_allocated", next(width for most, width in CONTAINERS if precision <= most))
    return bytearray(frame)
