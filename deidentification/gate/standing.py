"""Where in a written header a byte stands: the attribute path and the value representation."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from deidentification.dataset.encoding import EXPLICIT_LE, ITEM, UNDEFINED, Encoding
from deidentification.dataset.reader import Buffer
from deidentification.errors import CannotDeidentify, NeedMore, Step
from deidentification.standard.dictionary import DICTIONARY

PREAMBLE: Final = 132


class Place(NamedTuple):
    """The steps to an element, and its VR; no steps: the preamble, or bytes that do not parse."""

    steps: tuple[Step, ...]
    vr: bytes

    @property
    def tag(self) -> int:
        """The innermost attribute."""
        return self.steps[-1][0] if self.steps else 0


NOWHERE: Final = Place((), b"")


def places(written: bytes, meta_size: int, encoding: Encoding, positions: Sequence[int]) -> dict[int, Place]:
    """The place of every position (sorted); one walk that steps over what holds none of them."""
    found = dict.fromkeys(positions, NOWHERE)
    buffer = Buffer(written, len(written))
    for start, end, within in ((PREAMBLE, meta_size, EXPLICIT_LE), (meta_size, len(written), encoding)):
        try:
            found |= dict(_within(buffer, start, end, within, positions, ()))
        except (CannotDeidentify, NeedMore):
            continue
    return found


def _held(positions: Sequence[int], start: int, end: int) -> Sequence[int]:
    return positions[bisect_left(positions, start) : bisect_left(positions, end)]


def _within(
    buffer: Buffer, at: int, end: int, encoding: Encoding, positions: Sequence[int], outer: tuple[Step, ...]
) -> Iterator[tuple[int, Place]]:
    positions = _held(positions, at, end)
    while positions and at < end:
        tag, vr, value, length = buffer.header(at, end, encoding)
        at = end if length == UNDEFINED else min(value + length, end)
        vr = vr or DICTIONARY.get(tag, (b"",))[0]
        held = _held(positions, value, at)
        if held and vr == b"SQ":
            yield from _items(buffer, value, at, encoding, held, (*outer, (tag, None)))
        else:
            yield from ((position, Place((*outer, (tag, None)), vr)) for position in held)


def _items(
    buffer: Buffer, at: int, end: int, encoding: Encoding, positions: Sequence[int], outer: tuple[Step, ...]
) -> Iterator[tuple[int, Place]]:
    index, sequence = 0, outer[-1][0]
    while at < end:
        tag, length = buffer.item(at, end, encoding)
        at += 8
        stop = end if length == UNDEFINED else min(at + length, end)
        if tag == ITEM:
            yield from _within(buffer, at, stop, encoding, positions, (*outer[:-1], (sequence, index)))
        at, index = stop, index + 1
