"""How a dataset is encoded (PS3.5 §10): as its transfer syntax says, or as one that nobody knows looks."""

import zlib
from mmap import mmap
from struct import Struct
from typing import Final, NamedTuple

Buffer = bytes | bytearray | memoryview | mmap

INFLATE_LIMIT = 256 * 1024 * 1024
"""How many bytes a deflated dataset may inflate to; more is refused rather than kept in memory."""

LONG_VR: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_VR: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())

_IMPLICIT_VR = {"1.2.840.10008.1.2", "1.2.840.10008.1.20", "1.2.840.113619.5.2"}
"""Implicit VR Little Endian, Papyrus 3, and GE's private one (big endian in its pixels only)."""
_BIG_ENDIAN = {"1.2.840.10008.1.2.2"}
DEFLATED: Final = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}


class Unparsable(Exception):
    """Why the bytes are no complete dataset; free of PHI."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Encoding(NamedTuple):
    """Explicit or implicit VR, little or big endian, and the parts of an element's header in it."""

    explicit: bool
    little_endian: bool
    short: Struct
    """Group, element, VR, length of 16 bits."""
    tag_length: Struct
    """Group, element, length of 32 bits: as of items, and of everything in implicit VR."""
    length: Struct


def _encoding(explicit: bool, little_endian: bool) -> Encoding:
    order = "<" if little_endian else ">"
    return Encoding(explicit, little_endian, Struct(order + "HH2sH"), Struct(order + "HHL"), Struct(order + "L"))


IMPLICIT_LITTLE: Final = _encoding(explicit=False, little_endian=True)
IMPLICIT_BIG: Final = _encoding(explicit=False, little_endian=False)
EXPLICIT_LITTLE: Final = _encoding(explicit=True, little_endian=True)
EXPLICIT_BIG: Final = _encoding(explicit=True, little_endian=False)


def encoding_of(transfer_syntax_uid: str, buffer: Buffer, start: int) -> Encoding:
    """Of the dataset at `start`, inflated if it was deflated; a private transfer syntax by the first element."""
    if transfer_syntax_uid in _IMPLICIT_VR:
        return IMPLICIT_LITTLE
    if transfer_syntax_uid in _BIG_ENDIAN:
        return EXPLICIT_BIG
    if transfer_syntax_uid.startswith("1.2.840.10008."):
        return EXPLICIT_LITTLE
    head = bytes(buffer[start : start + 6])
    if len(head) < 6:
        raise Unparsable("ends inside an element's header")
    # Datasets begin with a small group number: its big half is zero.
    big_endian = head[0] == 0 and head[1] != 0
    if head[4:6] in LONG_VR or head[4:6] in SHORT_VR:
        return EXPLICIT_BIG if big_endian else EXPLICIT_LITTLE
    return IMPLICIT_BIG if big_endian else IMPLICIT_LITTLE


def inflate(buffer: Buffer, start: int) -> bytes:
    """The dataset inside a raw deflate stream (PS3.5 §A.5), within INFLATE_LIMIT."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        with memoryview(buffer) as view:
            dataset = inflater.decompress(view[start:], INFLATE_LIMIT)
    except zlib.error:
        raise Unparsable("not a deflate stream") from None
    if inflater.unconsumed_tail:
        raise Unparsable("inflates beyond the limit")
    if not inflater.eof:
        raise Unparsable("the deflate stream is cut short")
    return dataset
