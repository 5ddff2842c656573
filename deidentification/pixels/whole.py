"""Codecs whose frames can be walked to their last byte: run-length and deflated frames, and what follows in them."""

import zlib
from collections.abc import Callable, Iterator
from struct import unpack
from typing import Final

from deidentification.errors import CannotDeidentify
from deidentification.pixels.image import Image
from deidentification.pixels.segments import Blank, Read

RLE, DEFLATED_FRAMES = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1"
HEADER: Final = 64
MOST_SEGMENTS: Final = 15
FRAGMENT_LIMIT: Final = 128 * 1024 * 1024
CHUNK: Final = 256 * 1024
STEPS: Final = ((0x7FE00010, None),)


def run_lengths(read: Read, start: int, end: int, image: Image) -> Iterator[Blank]:
    """What follows each segment of an RLE frame: blanked; a header with anything else in it is refused (PS3.5 G.5)."""
    size = end - start
    header = read(start, HEADER)
    if size < HEADER or size > FRAGMENT_LIMIT:
        raise CannotDeidentify("compressed-header", "a run-length frame has no header, or is too large", STEPS)
    count, *offsets = unpack("<16L", header)
    used = offsets[:count]
    sound = (
        0 < count <= MOST_SEGMENTS
        and count * 8 == image.samples * image.allocated
        and used[0] == HEADER
        and used == sorted(used)
        and used[-1] <= size
        and not any(offsets[count:])
    )
    if not sound:
        raise CannotDeidentify("compressed-header", "the header of a run-length frame is none", STEPS)
    pixels = image.rows * image.columns
    for first, last in zip(used, (*used[1:], size), strict=True):
        data = read(start + first, last - first)
        done = _segment_end(data, pixels)
        if data[done:].strip(b"\0"):
            yield start + first + done, last - first - done


def _segment_end(data: bytes, pixels: int) -> int:
    """How many bytes of `data` give `pixels` bytes; what a literal run has beyond them does not count."""
    at, size = 0, len(data)
    beyond = 0
    while pixels > 0 and at < size:
        control = data[at]
        if control < 128:
            at += control + 2
            pixels -= control + 1
            beyond = max(-pixels, 0)
        elif control > 128:
            at += 2
            pixels -= 257 - control
        else:
            at += 1
    if pixels > 0 or at > size:
        raise CannotDeidentify("compressed-header", "a run-length segment is shorter than its frame", STEPS)
    return at - beyond


def deflated(read: Read, start: int, end: int, image: Image) -> Iterator[Blank]:
    """What follows the deflate stream of a frame; a frame that inflates to more than its pixels is refused."""
    stream, at = zlib.decompressobj(-zlib.MAX_WBITS), start
    left = (image.frame_bits + 7) // 8 + 1
    try:
        while not stream.eof and left >= 0 and (at < end or stream.unconsumed_tail):
            chunk = stream.unconsumed_tail or read(at, min(CHUNK, end - at))
            at += 0 if stream.unconsumed_tail else len(chunk)
            left -= len(stream.decompress(chunk, CHUNK))
    except zlib.error:
        raise CannotDeidentify("compressed-header", "a deflated frame cannot be inflated", STEPS) from None
    if not stream.eof or left < 0:
        raise CannotDeidentify("compressed-header", "a deflated frame is not as long as its pixels", STEPS)
    after = end - at + len(stream.unused_data)
    if after:
        yield end - after, after


FRAMES: Final[dict[str, Callable[[Read, int, int, Image], Iterator[Blank]]]] = {
    RLE: run_lengths,
    DEFLATED_FRAMES: deflated,
}
