"""How a dataset is encoded: element headers in, element headers out (PS3.5 section 7)."""

from struct import Struct
from typing import Final, NamedTuple

UNDEFINED: Final = 0xFFFFFFFF
LONG_VRS: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_VRS: Final = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)
ZERO_PADDED: Final = frozenset((b"UI", b"OB", b"UN", b"OW"))
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Encoding(NamedTuple):
    """Implicit or explicit VR, little or big endian."""

    implicit: bool
    little: bool

    @property
    def structs(self) -> tuple[Struct, Struct, Struct]:
        """Explicit short header (group, element, VR, 16-bit length); 32-bit length; implicit header."""
        return _STRUCTS[self.little]


_STRUCTS: Final = {
    little: (Struct(order + "HH2sH"), Struct(order + "L"), Struct(order + "HHL"))
    for little, order in ((True, "<"), (False, ">"))
}
IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE = Encoding(True, True), Encoding(False, True), Encoding(False, False)


def pad(vr: bytes, value: bytes) -> bytes:
    """Even length: a NUL for UIDs and bytes, a space for text (PS3.5 6.2)."""
    return value if len(value) % 2 == 0 else value + (b"\0" if vr in ZERO_PADDED else b" ")


def element(tag: int, vr: bytes, value: bytes, encoding: Encoding, length: int | None = None) -> bytes:
    """One encoded element; with `length` given (undefined, or a value that follows later) it is not padded."""
    short, long, implicit = encoding.structs
    if length is None:
        value = pad(vr, value)
        length = len(value)
    if encoding.implicit:
        return implicit.pack(tag >> 16, tag & 0xFFFF, length) + value
    if vr in LONG_VRS:
        return short.pack(tag >> 16, tag & 0xFFFF, vr, 0) + long.pack(length) + value
    return short.pack(tag >> 16, tag & 0xFFFF, vr, length) + value


def item(content: bytes, encoding: Encoding) -> bytes:
    """One sequence item of defined length."""
    return encoding.structs[2].pack(ITEM >> 16, ITEM & 0xFFFF, len(content)) + content
