"""Steps over encoded elements without decoding them; everything checked against its bounds."""

from collections.abc import Container

from deidentification.dataset.encoding import (
    IMPLICIT_LE,
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
)
from deidentification.errors import CannotDeidentify, NeedMore

Header = tuple[int, bytes, int, int]


class Buffer:
    """The first `len(data)` bytes of a dataset that has `size` bytes in all."""

    __slots__ = ("data", "loaded", "size")

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.loaded = len(data)
        self.size = size

    def beyond(self, needed: int, bound: int) -> Exception:
        """Why the walk cannot go to `needed`: not read yet, or not there."""
        if needed > self.size:
            return CannotDeidentify("truncated", "an element ends beyond the end of the file")
        if bound == self.loaded < self.size:
            return NeedMore(needed)
        return CannotDeidentify("lying-length", "an element ends beyond what encloses it")

    def header(self, at: int, bound: int, encoding: Encoding) -> Header:
        """Tag, VR (empty where none is written), offset of the value and its length, for the element at `at`."""
        if at + 8 > bound:
            raise self.beyond(at + 8, bound)
        short, long, implicit = encoding.structs
        if encoding.implicit:
            group, number, length = implicit.unpack_from(self.data, at)
            return group << 16 | number, b"", at + 8, length
        group, number, vr, length = short.unpack_from(self.data, at)
        if vr in SHORT_VRS:
            return group << 16 | number, vr, at + 8, length
        if group == 0xFFFE:
            return group << 16 | number, b"", at + 8, long.unpack_from(self.data, at + 4)[0]
        if vr not in LONG_VRS:
            raise CannotDeidentify("unknown-vr", "an element has no valid VR", ((group << 16 | number, None),))
        if at + 12 > bound:
            raise self.beyond(at + 12, bound)
        return group << 16 | number, vr, at + 12, long.unpack_from(self.data, at + 8)[0]

    def item(self, at: int, bound: int, encoding: Encoding) -> tuple[int, int]:
        """Tag and length of the item or delimiter at `at`."""
        if at + 8 > bound:
            raise self.beyond(at + 8, bound)
        group, number, length = encoding.structs[2].unpack_from(self.data, at)
        tag = group << 16 | number
        if tag not in (ITEM, ITEM_END, SEQUENCE_END):
            raise CannotDeidentify("structure", "no item where a sequence must have one")
        return tag, length

    def skip(self, at: int, bound: int, encoding: Encoding) -> int:
        """The end of a sequence (or fragments) of undefined length whose first item is at `at`, at any depth."""
        in_items = [encoding]
        within = True
        while True:
            encoding = in_items[-1]
            if within:
                tag, length = self.item(at, bound, encoding)
                at += 8
                if tag == SEQUENCE_END:
                    in_items.pop()
                    if not in_items:
                        return at
                    within = False
                elif tag == ITEM and length != UNDEFINED:
                    at += length
                elif tag == ITEM:
                    within = False
                else:
                    raise CannotDeidentify("structure", "an item ends that never began")
            else:
                tag, vr, at, length = self.header(at, bound, encoding)
                if tag == ITEM_END:
                    within = True
                elif length == UNDEFINED:
                    in_items.append(IMPLICIT_LE if vr == b"UN" else encoding)
                    within = True
                else:
                    at += length
            if at > bound:
                raise self.beyond(at, bound)


def elements(data: bytes, encoding: Encoding, at: int, wanted: Container[int]) -> dict[int, bytes]:
    """Tag -> value of the `wanted` elements of a dataset at `at`, whose elements all have defined lengths."""
    buffer, bound = Buffer(data, len(data)), len(data)
    unpack, found = encoding.structs[0].unpack_from, dict[int, bytes]()
    while at < bound:
        value = at + 8
        vr = b""
        if not encoding.implicit and value <= bound:
            group, number, vr, length = unpack(data, at)
            tag = group << 16 | number
        if vr not in SHORT_VRS:
            tag, vr, value, length = buffer.header(at, bound, encoding)
        at = value + length
        if at > bound:
            raise buffer.beyond(at, bound)
        if tag in wanted:
            found[tag] = data[value:at]
    return found
