"""Find the wanted elements at the top level of an encoded dataset (PS3.5 §7) without building the others.

Works on any buffer (a memory-mapped file: only the touched pages are read) and takes at most as many steps
as there are elements: a length that lies ends the walk, with what was found so far.
"""

import mmap
from collections.abc import Callable
from struct import Struct

Raw = dict[int, tuple[str | None, bytes]]
Buffer = bytes | mmap.mmap

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
VALUE_LIMIT = 8 << 20
"""Bytes of one value that are kept: headers that matter are smaller."""
DEPTH_LIMIT = 64


class Lost(Exception):
    """The bytes do not go on as a dataset does."""


Element = tuple[int, bytes | None, int, int]
"""Tag, VR (None: implicit), length, where the value starts."""


class Walk:
    """One encoding of elements over one buffer."""

    def __init__(self, data: Buffer, implicit: bool, little_endian: bool) -> None:
        self.data = data
        self.end = len(data)
        order = "<" if little_endian else ">"
        self.shorts: Callable[[Buffer, int], tuple[int, ...]] = Struct(f"{order}HH").unpack_from
        self.short: Callable[[Buffer, int], tuple[int, ...]] = Struct(f"{order}H").unpack_from
        self.long: Callable[[Buffer, int], tuple[int, ...]] = Struct(f"{order}L").unpack_from
        self.implicit = implicit
        self.little_endian = little_endian

    def element(self, at: int) -> Element:
        """The element that starts here."""
        if at + 8 > self.end:
            raise Lost
        group, number = self.shorts(self.data, at)
        tag = group << 16 | number
        if self.implicit or group == 0xFFFE:
            return tag, None, self.long(self.data, at + 4)[0], at + 8
        vr = self.data[at + 4 : at + 6]
        if vr in LONG:
            if at + 12 > self.end:
                raise Lost
            return tag, vr, self.long(self.data, at + 8)[0], at + 12
        if vr.isalpha() and vr.isupper():
            return tag, vr, self.short(self.data, at + 6)[0], at + 8
        # Some writers fall into implicit VR in the middle of a dataset.
        return tag, None, self.long(self.data, at + 4)[0], at + 8

    def past_items(self, at: int, vr: bytes | None, depth: int) -> int:
        """The end of a value of undefined length that starts here."""
        if depth > DEPTH_LIMIT:
            raise Lost
        # PS3.5 §6.2.2: a UN of undefined length holds implicit VR little endian.
        inner = Walk(self.data, implicit=True, little_endian=True) if vr == b"UN" else self
        while True:
            tag, _, length, start = inner.element(at)
            if tag == SEQUENCE_END:
                return start
            if tag != ITEM:
                raise Lost
            at = inner.past_item(start, depth) if length == UNDEFINED else start + length

    def past_item(self, at: int, depth: int) -> int:
        """The end of an item of undefined length whose elements start here."""
        while True:
            tag, vr, length, start = self.element(at)
            if tag == ITEM_END:
                return start
            at = self.past_items(start, vr, depth + 1) if length == UNDEFINED else start + length

    def find(self, at: int, wanted: frozenset[int]) -> Raw:
        """The wanted elements from here to the pixels, or to the last that can be wanted."""
        found: Raw = {}
        last = max(wanted)
        try:
            while True:
                tag, vr, length, start = self.element(at)
                if tag > last or tag in PIXELS:
                    break
                if length == UNDEFINED:
                    at = self.past_items(start, vr, 0)
                    continue
                at = start + length
                if tag in wanted and length <= VALUE_LIMIT:
                    found[tag] = (vr.decode() if vr else None, self.data[start:at])
        except Lost:
            pass
        return found
