"""What the header says of the pixels: shape, bits and colours, checked before a byte of them is touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deidentification.dataset.encoding import Encoding
from deidentification.errors import CannotDeidentify

FLOAT, DOUBLE, PIXELS = 0x7FE00008, 0x7FE00009, 0x7FE00010
SAMPLES, PHOTOMETRIC, PLANAR, FRAMES = 0x00280002, 0x00280004, 0x00280006, 0x00280008
ROWS, COLUMNS, ALLOCATED, STORED, HIGH, SIGNED = 0x00280010, 0x00280011, *range(0x00280100, 0x00280104)
DESCRIBING: Final = frozenset((SAMPLES, PHOTOMETRIC, PLANAR, FRAMES, ROWS, COLUMNS, ALLOCATED, STORED, HIGH, SIGNED))
# Palette colour lookup tables of red, green and blue.
DESCRIPTORS: Final = (0x00281101, 0x00281102, 0x00281103)
TABLES: Final = (0x00281201, 0x00281202, 0x00281203)
SEGMENTED: Final = (0x00281221, 0x00281222, 0x00281223)
PADDING, PADDING_LIMIT = 0x00280120, 0x00280121
ULTRASOUND_REGIONS: Final = 0x00186011
# How a viewer shows grey values: windows in the modality's units, and the line that leads to them.
CENTER, WIDTH, INTERCEPT, SLOPE = 0x00281050, 0x00281051, 0x00281052, 0x00281053
# What cleaning asks for beside the description.
SHOWING: Final = frozenset((
    *DESCRIPTORS, *TABLES, *SEGMENTED, PADDING, PADDING_LIMIT, ULTRASOUND_REGIONS, CENTER, WIDTH, INTERCEPT, SLOPE
))  # fmt: skip
# Cb and Cr of two neighbours are stored once (PS3.3 C.7.6.3.1.2).
SUBSAMPLED: Final = frozenset(("YBR_FULL_422", "YBR_PARTIAL_422"))
WIDTHS: Final = frozenset((1, 8, 16, 32, 64))
MOST_FRAMES: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Image:
    """Frames × rows × columns × samples, how a sample is stored, and what its values mean."""

    frames: int
    rows: int
    columns: int
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high: int
    signed: bool
    floating: bool = False

    @property
    def frame_bits(self) -> int:
        """Bits of one uncompressed frame; frames of one-bit pixels follow each other without padding."""
        samples = 2 if self.photometric in SUBSAMPLED else self.samples
        return self.rows * self.columns * samples * self.allocated

    @property
    def size(self) -> int:
        """Bytes of all frames uncompressed, unpadded."""
        return (self.frames * self.frame_bits + 7) // 8


def number(captured: Mapping[int, bytes], tag: int, encoding: Encoding, default: int | None = None) -> int:
    """The value of a US attribute; without `default` it has to be there."""
    value = captured.get(tag, b"")
    if len(value) < 2:
        if default is None:
            raise CannotDeidentify("pixel-description", "the image is not described", ((tag, None),))
        return default
    return int.from_bytes(value[:2], "little" if encoding.little else "big")


def described(captured: Mapping[int, bytes], encoding: Encoding, tag: int = PIXELS) -> Image:
    """The image that the header describes for the pixel data in `tag`. Raises CannotDeidentify."""
    floating = tag != PIXELS
    allocated = number(captured, ALLOCATED, encoding, {FLOAT: 32, DOUBLE: 64}.get(tag))
    stored = number(captured, STORED, encoding, allocated)
    image = Image(
        frames=_frames(captured.get(FRAMES, b"")),
        rows=number(captured, ROWS, encoding),
        columns=number(captured, COLUMNS, encoding),
        samples=number(captured, SAMPLES, encoding, 1),
        photometric=captured.get(PHOTOMETRIC, b"").strip(b"\0 ").decode("ascii", "replace").upper(),
        planar=number(captured, PLANAR, encoding, 0),
        allocated=allocated,
        stored=stored,
        high=number(captured, HIGH, encoding, stored - 1),
        signed=number(captured, SIGNED, encoding, 0) == 1,
        floating=floating,
    )
    if not (
        image.rows and image.columns and image.samples
        and (allocated in WIDTHS or 8 < allocated < 64) and allocated == {FLOAT: 32, DOUBLE: 64}.get(tag, allocated)
    ):  # fmt: skip
        raise CannotDeidentify("pixel-description", "the image's description contradicts itself", ((ROWS, None),))
    return image


def _frames(value: bytes) -> int:
    text = value.strip(b"\0 ")
    if not text:
        return 1
    if not text.isdigit() or not 0 < int(text[:12]) <= MOST_FRAMES:
        raise CannotDeidentify("pixel-description", "the number of frames is none", ((FRAMES, None),))
    return int(text)
