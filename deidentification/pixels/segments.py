"""Text that rides inside compressed frames: comments, EXIF and other application segments."""

import re
from collections.abc import Callable
from typing import Final

from deidentification.errors import CannotDeidentify

Read = Callable[[int, int], bytes]
Blank = tuple[int, int]

# Segments that decoding needs or that hold no text: JFIF (18 bytes without its thumbnail), Adobe, HP's colour
# transform for JPEG-LS.
KEPT: Final[dict[tuple[int, bytes], int]] = {(0xE0, b"JFIF\0"): 14, (0xEE, b"Adobe"): 12, (0xE8, b"mrfx"): 5}
# What frame headers, tables and scans are made of (T.81, T.87). Anything else is read by no decoder and holds what it
# likes: COM, APPn, JPGn, DHP, reserved markers.
NEEDED: Final = frozenset((*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDF, 0xF7, 0xF8))
BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
BOXES: Final = frozenset((b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"JXL ", b"jxlc", b"jxlp", b"jxll",
                          b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"res "))  # fmt: skip
BRANDS: Final = frozenset((b"jp2 ", b"jpx ", b"jpxb", b"jph ", b"jxl ", b"\0\0\0\0"))
# What ends entropy-coded data: neither a stuffed byte nor a restart (ITU-T T.81 B.1.1.5, T.87 A.1).
SCAN_END: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
ENDED: Final = -1
UNKNOWN: Final = 1 << 62
STEPS: Final = ((0x7FE00010, None),)
CHUNK: Final = 1024 * 1024
STARTS: Final = {"jpeg": b"\xff\xd8", "j2k": b"\xff\x4f", "jxl": b"\xff\x0a"}
CODESTREAM: Final = b"\xff\x4f\xff\x51"
MORE_OR_FEWER: Final = "there are more or fewer frames than the header says"
BOX_FILES: Final = (b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ")


class Images:
    """The compressed images that an object's fragments hold, walked in order.

    A decoder sees the first image of a frame and no more. So there are to be as many images as frames, and nothing
    after the end of one stays.
    """

    def __init__(self, read: Read, codec: str, frames: int | None) -> None:
        self.read, self.codec, self.frames = read, codec, frames
        self.count = 0
        # Whether the image goes on in the next fragment, whether it already did, and bytes left of its tile-part.
        self.open, self.split, self.left = False, False, 0

    def fragment(self, start: int, end: int) -> list[Blank]:
        """(offset, length) of what to overwrite with zeros in the fragment from `start` to `end`; lengths stay."""
        found: list[Blank] = []
        if start == end:
            return found
        head = self.read(start, min(8, end - start))
        boxed = head in BOX_FILES
        if boxed or self._begins(head):
            self._check_end(self.codec == "jpeg")
            self.count, self.split = self.count + 1, False
        elif not self.open:
            raise CannotDeidentify("compressed-header", "a fragment holds no frame of its codec", STEPS)
        else:
            self._check_seam(start, head[0])
            self.split = True
        if self.frames is not None and self.count > self.frames:
            raise CannotDeidentify("pixel-decode", MORE_OR_FEWER, STEPS)
        if boxed:
            self.left = _boxes(self.read, start, end, found)
            self.open = self.left != ENDED
        elif self.codec == "jpeg":
            self.open = _jpeg(self.read, start, end, self.split, found)
        elif self.codec == "j2k":
            self.left = _j2k(self.read, start if self.split else start + 2, end, found, self.left if self.split else 0)
            self.open = self.left != ENDED
        else:
            self.open = True
        return found

    def end(self) -> None:
        """There are no more fragments."""
        self._check_end(self.codec == "jpeg")
        if self.frames is not None and self.count != self.frames:
            raise CannotDeidentify("pixel-decode", MORE_OR_FEWER, STEPS)

    def _begins(self, head: bytes) -> bool:
        # The packets of an image that goes on may by chance begin as a codestream does.
        start = CODESTREAM if self.codec == "j2k" and self.open else STARTS.get(self.codec, b"")
        return head.startswith(start)

    def _check_end(self, needed: bool) -> None:
        """What is beyond an image cannot be told from it when it has no end."""
        if self.open and self.frames is not None and (needed or (self.split and self.codec == "j2k")):
            raise CannotDeidentify("pixel-decode", "a compressed image has no end", STEPS)

    def _check_seam(self, start: int, first: int) -> None:
        """No marker may hide by being cut in two; restarts need not be seen. The item's header is 8 bytes."""
        if self.codec in ("jpeg", "j2k") and self.read(start - 9, 1) == b"\xff" and SCAN_END.match(bytes((255, first))):
            raise CannotDeidentify("compressed-header", "a marker lies in two fragments", STEPS)


def _jpeg(read: Read, at: int, end: int, in_scan: bool, found: list[Blank]) -> bool:
    """Note COM, APPn and their like wherever they stand, and what follows EOI (T.81 B.1); whether EOI is to come."""
    torn, start = False, at
    if in_scan:
        at = _scan_end(read, at, end)
    while at < end or not in_scan:
        marker, length = _segment(read, at, end, in_scan)
        if marker == 0xFF:
            at += 1
        elif marker == 0xD8 and at > start:
            raise CannotDeidentify("pixel-decode", "a compressed image begins in another one", STEPS)
        elif marker in BARE:
            at += 2
        elif marker == 0xD9:
            at += 2
            if end - at > 1 or (at < end and read(at, 1) != b"\0"):
                found.append((at, end - at))
            return False
        elif in_scan and (length < 2 or at + 2 + length > end):
            # No segment after all: a damaged scan, whose bytes stay.
            torn = torn or (marker not in NEEDED and length > 2)
            at = _scan_end(read, at + 2, end)
        else:
            if marker not in NEEDED:
                signature = read(at + 4, 5)
                kept = next((size for key, size in KEPT.items() if key == (marker, signature[: len(key[1])])), 0)
                kept = min(kept, length - 2)
                if length - 2 > kept:
                    found.append((at + 4 + kept, length - 2 - kept))
            at += 2 + length
            in_scan = in_scan or marker == 0xDA
            if in_scan:
                at = _scan_end(read, at, end)
    if torn:
        raise CannotDeidentify("compressed-header", "a segment lies in two fragments", STEPS)
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


def _j2k(read: Read, at: int, end: int, found: list[Blank], left: int) -> int:
    """Note COM of the main header and of each tile-part header, and what follows EOC (ISO/IEC 15444-1 A.9.2).

    `left` bytes of a tile-part are still to come at `at`; the result says how many the next fragment begins with.
    """
    tile_end, in_tile = at + left, left > 0
    while True:
        if in_tile:
            eoc = _found(read, at, min(tile_end, end), b"\xff\xd9")
            if tile_end < UNKNOWN and eoc + 3 < tile_end and eoc < end:
                raise CannotDeidentify("pixel-decode", "a tile goes on after the end of its image", STEPS)
            if eoc >= end:
                return tile_end if tile_end >= UNKNOWN else max(tile_end - end, 0)
            at, in_tile = eoc, False
        if at + 2 > end or not read(at, min(4, end - at)).strip(b"\0"):
            # No EOC: padding.
            found.append((at, end - at))
            return 0
        marker, length = _segment(read, at, end)
        if marker == 0xD9:
            if end > at + 2:
                found.append((at + 2, end - at - 2))
            return ENDED
        if marker == 0x93:
            at, in_tile, tile_end = at + 2, True, tile_end if tile_end > at + 2 else UNKNOWN
            continue
        if marker == 0x90:
            size = int.from_bytes(read(at + 6, 4), "big")
            tile_end = at + size if size else 0
        elif marker == 0x64 and length > 4:
            found.append((at + 6, length - 4))
        at += 2 + length


def _found(read: Read, at: int, end: int, what: bytes) -> int:
    """Where `what`, two bytes, stands between `at` and `end`, or `end`."""
    while at + 1 < end:
        chunk = read(at, min(CHUNK, end - at))
        place = chunk.find(what)
        if place >= 0:
            return at + place
        if len(chunk) < 2:
            break
        at += len(chunk) - 1
    return end


def _segment(read: Read, at: int, end: int, lenient: bool = False) -> tuple[int, int]:
    """Marker and length of the segment at `at`, which must lie whole in its fragment unless `lenient`."""
    head = read(at, 4)
    if at + 2 > end or len(head) < 2 or head[0] != 0xFF:
        raise CannotDeidentify("compressed-header", "a compressed frame's header cannot be read", STEPS)
    marker, length = head[1], int.from_bytes(head[2:4], "big")
    if (
        not lenient
        and marker not in BARE
        and marker not in (0xFF, 0xD9, 0x93)
        and (length < 2 or at + 2 + length > end)
    ):
        raise CannotDeidentify("compressed-header", "a compressed frame's segment lies", STEPS)
    return marker, length


def _boxes(read: Read, at: int, end: int, found: list[Blank]) -> int:
    """Note the content of every box of a JP2 or JPEG XL file that is not image data (XML, UUID, EXIF).

    A second codestream is no image data either. The result is what `_j2k` says of the first one.
    """
    left: int | None = None
    while at + 8 <= end:
        head = read(at, 16)
        size, kind, skip = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        elif size == 0 or at + size > end:
            size = end - at
        if size < skip:
            raise CannotDeidentify("compressed-header", "a compressed frame's box lies", STEPS)
        stop = min(at + size, end)
        if (kind not in BOXES or (kind == b"jp2c" and left is not None)) and size > skip:
            found.append((at + skip, stop - at - skip))
        elif kind == b"ftyp":
            words = range(at + skip, stop, 4)
            found.extend((word, min(4, end - word)) for word in words if read(word, 4) not in BRANDS)
        elif kind == b"jp2h":
            _boxes(read, at + skip, stop, found)
        elif kind == b"jp2c":
            left = _j2k(read, at + skip + 2, stop, found, 0)
        at += size
    if at < end:
        found.append((at, end - at))
    return left or 0
