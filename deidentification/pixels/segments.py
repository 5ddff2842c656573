"""Text that rides inside compressed frames: comments, EXIF and other application segments."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from deidentification.errors import CannotDeidentify

Read = Callable[[int, int], bytes]
Blank = tuple[int, int]

# Segments that decoding needs or that hold no text: JFIF (18 bytes without its thumbnail), Adobe, HP's colour
# transform for JPEG-LS.
KEPT: Final[dict[tuple[int, bytes], int]] = {(0xE0, b"JFIF\0"): 14, (0xEE, b"Adobe"): 12, (0xE8, b"mrfx"): 5}
BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
BOXES: Final = frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"JXL ", b"jxlc", b"jxlp", b"jxll",
                          b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"res "))  # fmt: skip
BRANDS: Final = frozenset((b"jp2 ", b"jpx ", b"jpxb", b"jph ", b"jxl ", b"\0\0\0\0"))
# What ends entropy-coded data: neither a stuffed byte nor a restart (ITU-T T.81 B.1.1.5, T.87 A.1).
SCAN_END: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
CHUNK: Final = 1024 * 1024
STARTS: Final = {"jpeg": b"\xff\xd8", "j2k": b"\xff\x4f", "jxl": b"\xff\x0a"}
BOX_FILES: Final = (b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")


def blanks(read: Read, start: int, end: int, codec: str, continued: bool) -> tuple[list[Blank], bool]:
    """(offset, length) of what to overwrite with zeros in the fragment from `start` to `end`; lengths stay.

    `continued` says that the frame of the fragment before may go on here; so does the result for the next one.
    """
    if start == end:
        return [], continued
    head = read(start, min(8, end - start))
    begins = head.startswith(STARTS.get(codec, b""))
    found: list[Blank] = []
    if head in BOX_FILES:
        found.extend(_boxes(read, start, end))
    elif not begins and not continued:
        raise CannotDeidentify("compressed-header", "a fragment holds no frame of its codec", ((0x7FE00010, None),))
    elif codec == "jpeg":
        return found, _jpeg(read, start, end, not begins, found)
    elif codec == "j2k" and begins:
        found.extend(_j2k(read, start + 2, end))
    last = read(max(start, end - 3), min(3, end - start))
    return found, not last.rstrip(b"\0").endswith(b"\xff\xd9")


def _jpeg(read: Read, at: int, end: int, in_scan: bool, found: list[Blank]) -> bool:
    """Note COM and APPn wherever they stand, and what follows EOI (ITU-T T.81 B.1); whether EOI is still to come."""
    if in_scan:
        at = _scan_end(read, at, end)
    while at < end or not in_scan:
        marker, length = _segment(read, at, end, in_scan)
        if marker == 0xFF:
            at += 1
        elif marker in BARE:
            at += 2
        elif marker == 0xD9:
            at += 2
            if end - at > 1 and read(at, 2) == STARTS["jpeg"]:
                continue
            if end - at > 1:
                found.append((at, end - at))
            return False
        elif in_scan and (length < 2 or at + 2 + length > end):
            # No segment after all: a damaged scan, whose bytes stay.
            at = _scan_end(read, at + 2, end)
        else:
            if marker == 0xFE or 0xE0 <= marker <= 0xEF:
                signature = read(at + 4, 5)
                kept = next((size for key, size in KEPT.items() if key == (marker, signature[: len(key[1])])), 0)
                kept = min(kept, length - 2)
                if length - 2 > kept:
                    found.append((at + 4 + kept, length - 2 - kept))
            at += 2 + length
            in_scan = in_scan or marker == 0xDA
            if in_scan:
                at = _scan_end(read, at, end)
    return True


def _scan_end(read: Read, at: int, end: int) -> int:
    """Where the marker stands that ends the entropy-coded data at `at`, or the end of the fragment."""
    while at < end:
        chunk = read(at, min(CHUNK, end - at))
        found = SCAN_END.search(chunk)
        if found:
            return at + found.start()
        # A marker may begin with the chunk's last byte.
        at += len(chunk) if at + len(chunk) >= end else len(chunk) - 1
        if len(chunk) < 2:
            break
    return end


def _j2k(read: Read, at: int, end: int) -> Iterator[Blank]:
    """COM of the main header and of each tile-part header, and what follows EOC (ISO/IEC 15444-1 A.9.2)."""
    tile_end = 0
    while at + 4 <= end:
        marker, length = _segment(read, at, end)
        if marker == 0xD9:
            yield at + 2, end - at - 2
            return
        if marker == 0x93:
            at, tile_end = (tile_end if tile_end > at else _scan_end(read, at + 2, end)), 0
            continue
        if marker == 0x90:
            size = int.from_bytes(read(at + 6, 4), "big")
            tile_end = at + size if size else 0
        elif marker == 0x64 and length > 4:
            yield at + 6, length - 4
        at += 2 + length


def _segment(read: Read, at: int, end: int, lenient: bool = False) -> tuple[int, int]:
    """Marker and length of the segment at `at`, which must lie whole in its fragment unless `lenient`."""
    head = read(at, 4)
    if at + 2 > end or len(head) < 2 or head[0] != 0xFF:
        raise CannotDeidentify("compressed-header", "a compressed frame's header cannot be read", ((0x7FE00010, None),))
    marker, length = head[1], int.from_bytes(head[2:4], "big")
    if (
        not lenient
        and marker not in BARE
        and marker not in (0xFF, 0xD9, 0x93)
        and (length < 2 or at + 2 + length > end)
    ):
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
        elif kind == b"ftyp":
            words = range(at + skip, min(at + size, end), 4)
            yield from ((word, min(4, end - word)) for word in words if read(word, 4) not in BRANDS)
        elif kind == b"jp2h":
            yield from _boxes(read, at + skip, min(at + size, end))
        elif kind == b"jp2c":
            yield from _j2k(read, at + skip + 2, min(at + size, end))
        at += size
