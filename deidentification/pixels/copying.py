"""Pixel data as bytes: where it lies, what in it is blanked, and the kernel's copy of it."""

import errno
import os
from collections.abc import Mapping
from struct import unpack
from typing import Final, NamedTuple

from deidentification.dataset.encoding import ITEM, SEQUENCE_END, UNDEFINED, element
from deidentification.dataset.reader import Header
from deidentification.dataset.source import Source
from deidentification.errors import CannotDeidentify
from deidentification.pixels import image, whole
from deidentification.pixels.segments import MORE_OR_FEWER, Blank, Images

CHUNK: Final = 1024 * 1024
BLANKED_LIMIT: Final = 200_000
TABLE_LIMIT: Final = 16 * 1024 * 1024
PIXEL_VRS: Final = {0x7FE00008: (b"OF",), 0x7FE00009: (b"OD",), 0x7FE00010: (b"OW", b"OB")}
NO_KERNEL_COPY: Final = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM)


class Pixels(NamedTuple):
    """The element header to write, the source's bytes [start, end) that follow it, and the blanks among them.

    `pad` zeros come after them.
    """

    header: bytes
    start: int
    end: int
    blanks: tuple[Blank, ...]
    pad: int = 0


def located(source: Source, found: Header, captured: Mapping[int, bytes] | None = None) -> Pixels:
    """Check the pixel data to its last byte and say what to copy; offsets are from the dataset's start.

    `captured` holds the source's values of image.DESCRIBING. With it nothing passes that is no pixel: what is longer
    than the image is cut, run-length segments are walked. Without it pixel data is taken as long as it says it is.
    """
    tag, vr, start, length = found
    steps = ((tag, None),)
    if vr not in (b"", *PIXEL_VRS[tag]):
        raise CannotDeidentify("pixel-vr", "the pixel data has no VR of pixel data", steps)
    header = element(tag, vr, b"", source.syntax.encoding, length)
    if length != UNDEFINED:
        if source.syntax.encapsulated and tag == 0x7FE00010:
            raise CannotDeidentify("pixel-encapsulation", "native pixel data in an encapsulated transfer syntax", steps)
        if start + length > source.size:
            raise CannotDeidentify("truncated", "the pixel data ends beyond the end of the file", steps)
        if captured is None:
            return Pixels(header, start, start + length, ())
        return _native(source, found, captured)
    if not source.syntax.encapsulated:
        raise CannotDeidentify("pixel-encapsulation", "encapsulated pixel data in a native transfer syntax", steps)
    described = None if captured is None else image.described(captured, source.syntax.encoding, tag)
    return _fragments(source, header, start, described)


def _native(source: Source, found: Header, captured: Mapping[int, bytes]) -> Pixels:
    """Exactly the image's bytes and at most one pad byte, which is zero whatever it was (PS3.5 8.1.1)."""
    tag, vr, start, length = found
    described = image.described(captured, source.syntax.encoding, tag)
    exact = described.size
    if described.photometric in image.SUBSAMPLED and length >= 3 * exact // 2:
        # Not subsampled whatever its photometric interpretation says, as some writers have it.
        exact = 3 * exact // 2
    if length < exact:
        raise CannotDeidentify("pixel-length", "the pixel data is shorter than the image", ((tag, None),))
    even = exact + exact % 2
    end = start + min(length, even)
    blank: tuple[Blank, ...] = ()
    if exact % 2 and length > exact:
        # In big endian words the byte that fills the last word comes before the last pixel.
        swapped = not source.syntax.encoding.little and vr == b"OW" and described.allocated <= 8
        blank = ((end - 2 if swapped else end - 1, 1),)
    return Pixels(element(tag, vr, b"", source.syntax.encoding, even), start, end, blank, start + even - end)


def _fragments(source: Source, header: bytes, start: int, described: image.Image | None) -> Pixels:
    """Walk the offset table and the fragments to the sequence delimiter (PS3.5 A.4)."""
    at, first, frames = start, True, 0
    images = Images(source.read, source.syntax.codec, described.frames if described else None)
    table: tuple[int, ...] = ()
    covered: list[Blank] = []
    while True:
        head = source.read(at, 8)
        if len(head) < 8:
            raise CannotDeidentify("truncated", "the fragments end without a delimiter", ((0x7FE00010, None),))
        tag = int.from_bytes(head[:2], "little") << 16 | int.from_bytes(head[2:4], "little")
        length = int.from_bytes(head[4:], "little")
        if tag == SEQUENCE_END:
            if table and max(table) > at - start:
                raise CannotDeidentify("offset-table", "the offset table holds something else", ((0x7FE00010, None),))
            if length:
                covered.append((at + 4, 4))
            if source.syntax.codec:
                images.end()
            elif described and source.syntax.uid in whole.FRAMES and frames != described.frames:
                raise CannotDeidentify("pixel-decode", MORE_OR_FEWER, ((0x7FE00010, None),))
            return Pixels(header, start, at + 8, tuple(covered))
        at += 8
        if tag != ITEM or length == UNDEFINED or at + length > source.size:
            raise CannotDeidentify("truncated", "a fragment is none or ends beyond the file", ((0x7FE00010, None),))
        if first and (length % 4 or length > TABLE_LIMIT):
            raise CannotDeidentify("offset-table", "the offset table holds something else", ((0x7FE00010, None),))
        if first:
            table = unpack(f"<{length // 4}L", source.read(at, length))
        elif described and source.syntax.uid in whole.FRAMES:
            frames += 1
            covered.extend(whole.FRAMES[source.syntax.uid](source.read, at, at + length, described))
        elif source.syntax.codec:
            covered.extend(images.fragment(at, at + length))
            if len(covered) > BLANKED_LIMIT:
                raise CannotDeidentify("compressed-header", "too many segments to blank", ((0x7FE00010, None),))
        at += length
        first = False


def copy(source: Source, pixels: Pixels, target: int, offset: int) -> None:
    """Copy the pixel bytes to `target` at its position `offset`, then blank; the kernel moves them where it can."""
    _copy(source.fd, source.start + pixels.start, target, pixels.end - pixels.start)
    for start, length in pixels.blanks:
        at = offset + start - pixels.start
        while length > 0:
            written = os.pwrite(target, bytes(min(length, CHUNK)), at)
            at, length = at + written, length - written
    if pixels.pad:
        os.write(target, bytes(pixels.pad))


def _copy(fd: int, offset: int, target: int, count: int) -> None:
    moved = _moved_by_kernel
    while count:
        try:
            done = moved(fd, offset, target, count)
        except OSError as problem:
            if moved is _moved_by_hand or problem.errno not in NO_KERNEL_COPY:
                raise
            moved = _moved_by_hand
            continue
        if not done:
            raise CannotDeidentify("truncated", "the file became shorter while it was copied", ((0x7FE00010, None),))
        offset, count = offset + done, count - done


def _moved_by_kernel(fd: int, offset: int, target: int, count: int) -> int:
    return os.copy_file_range(fd, target, count, offset_src=offset)


def _moved_by_hand(fd: int, offset: int, target: int, count: int) -> int:
    return os.write(target, os.pread(fd, min(count, CHUNK), offset))
