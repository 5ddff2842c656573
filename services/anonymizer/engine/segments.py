"""Text that rides inside compressed frames: comments, EXIF and other application segments."""

from collections.abc import Callable, Iterator
from typing import Final

from services.anonymizer.engine.errors import CannotDeidentify

Read = Callable[[int, int], bytes]
Blank = tuple[int, int]

# Segments that decoding needs or that hold no text: JFIF (18 bytes without its thumbnail), Adobe, HP's colour
# transform for JPEG-LS.
KEPT: Final[dict[tuple[int, bytes], int]] = {(0xE0, b"JFIF\0"): 14, (0xEE, b"Adobe"): 12, (0xE8, b"mrfx"): 5}
BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
BOXES: Final = frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"JXL ", b"jxlc", b"jxlp", b"jxll"))
BOX_FILES: Final = (b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")


def blanks(read: Read, start: int, end: int, codec: str) -> Iterator[Blank]:
    """(offset, length) of what to overwrite with zeros in the fragment from `start` to `end`; lengths stay."""
    head = read(start, min(8, end - start))
    if head in BOX_FILES:
        yield from _boxes(read, start, end)
    elif codec == "jpeg" and head.startswith(b"\xff\xd8"):
        yield from _jpeg(read, start + 2, end)
    elif codec == "j2k" and head.startswith(b"\xff\x4f"):
        yield from _j2k(read, start + 2, end)


def _jpeg(read: Read, at: int, end: int) -> Iterator[Blank]:
    """COM and APPn between SOI and the first SOS (ITU-T T.81 B.1)."""
    while True:
        marker, length = _segment(read, at, end)
        if marker == 0xFF:
            at += 1
            continue
        if marker in BARE:
            at += 2
            continue
        if marker in (0xDA, 0xD9):
            return
        if marker == 0xFE or 0xE0 <= marker <= 0xEF:
            signature = read(at + 4, 5)
            kept = next((size for key, size in KEPT.items() if key == (marker, signature[: len(key[1])])), 0)
            kept = min(kept, length - 2)
            if length - 2 > kept:
                yield at + 4 + kept, length - 2 - kept
        at += 2 + length


def _j2k(read: Read, at: int, end: int) -> Iterator[Blank]:
    """COM of the main header and of each tile-part header (ISO/IEC 15444-1 A.9.2)."""
    tile_end = 0
    while at + 4 <= end:
        marker, length = _segment(read, at, end)
        if marker == 0xD9:
            return
        if marker == 0x93:
            if not tile_end or tile_end <= at:
                return
            at, tile_end = tile_end, 0
            continue
        if marker == 0x90:
            size = int.from_bytes(read(at + 6, 4), "big")
            tile_end = at + size if size else 0
        elif marker == 0x64 and length > 4:
            yield at + 6, length - 4
        at += 2 + length


def _segment(read: Read, at: int, end: int) -> tuple[int, int]:
    """Marker and length of the segment at `at`, which must lie whole in its fragment."""
    head = read(at, 4)
    if at + 2 > end or len(head) < 2 or head[0] != 0xFF:
        raise CannotDeidentify("compressed-header", "a compressed frame's header cannot be read", ((0x7FE00010, None),))
    marker, length = head[1], int.from_bytes(head[2:4], "big")
    if marker not in BARE and marker not in (0xFF, 0xD9, 0x93) and (length < 2 or at + 2 + length > end):
        raise CannotDeidentify("compressed-header", "a compressed frame's segment lies", ((0x7FE00010, None),))
    return marker, length


def _boxes(read: Read, at: int, end: int) -> Iterator[Blank]:
    """The content of every box of a JP2 or JPEG XL file that is not image data (XML, UUID, EXIF)."""
    while at + 8 <= end:
        head = read(at, 16)
        size, kind, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        elif size == 0 or at + size > end:
            size = end - at
        if size < skip:
            raise CannotDeidentify("compressed-header", "a compressed frame's box lies", ((0x7FE00010, None),))
        if kind not in BOXES and size > skip:
            yield at + skip, min(at + size, end) - at - skip
        elif kind == b"jp2c":
            yield from _j2k(read, at + skip + 2, min(at + size, end))
        at += size
