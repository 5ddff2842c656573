"""One walk over a dataset's bytes: finds the UIDs that name an instance and proves the dataset complete.

No value is decoded but those UIDs, no length is believed but by its fitting, group lengths mean nothing, and
nesting costs a list entry instead of a stack frame. Sequences and items of defined length are stepped over.
"""

import zlib
from dataclasses import dataclass
from itertools import pairwise
from mmap import mmap
from struct import Struct
from threading import Semaphore

Buffer = bytes | bytearray | memoryview | mmap

INFLATE_LIMIT = 256 * 1024 * 1024
"""How many bytes a deflated dataset may inflate to; more is refused rather than kept in memory."""
_INFLATING = Semaphore(2)
"""Of so many datasets at once in one process: many small streams that inflate to much are not its end."""

IMPLICIT_VR = {"1.2.840.10008.1.2", "1.2.840.10008.1.20", "1.2.840.113619.5.2"}
"""Implicit VR Little Endian, Papyrus 3, and GE's private one (big endian in its pixels only)."""
BIG_ENDIAN = {"1.2.840.10008.1.2.2"}
DEFLATED = {"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"}

LONG_VR = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
SHORT_VR = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
ENCODED_VR = LONG_VR | SHORT_VR

UNDEFINED = 0xFFFFFFFF
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
WANTED = {SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID}
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

_EXPLICIT = {"<": Struct("<HH2sH"), ">": Struct(">HH2sH")}
_TAG_LENGTH = {"<": Struct("<HHL"), ">": Struct(">HHL")}
_LENGTH = {"<": Struct("<L"), ">": Struct(">L")}


class Unparsable(Exception):
    """Why the bytes are no complete dataset; free of PHI."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scan:
    """What names an instance; an attribute that is absent is the empty string."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


def scan(buffer: Buffer, transfer_syntax_uid: str, start: int = 0) -> Scan:
    """Walk the dataset from `start` to the end of the buffer; Unparsable if it is not whole.

    A private transfer syntax is taken for what its first element looks like.
    """
    if transfer_syntax_uid in DEFLATED:
        with _INFLATING:
            return _scan(_inflate(buffer, start), transfer_syntax_uid, 0)
    return _scan(buffer, transfer_syntax_uid, start)


def _scan(buffer: Buffer, transfer_syntax_uid: str, start: int) -> Scan:
    if transfer_syntax_uid.startswith("1.2.840.10008.") or transfer_syntax_uid in IMPLICIT_VR:
        explicit = transfer_syntax_uid not in IMPLICIT_VR
        order = ">" if transfer_syntax_uid in BIG_ENDIAN else "<"
    else:
        explicit, order = _guess(buffer, start)
    found = _walk(buffer, start, explicit, order)
    return Scan(
        found.get(STUDY_INSTANCE_UID, ""),
        found.get(SERIES_INSTANCE_UID, ""),
        found.get(SOP_INSTANCE_UID, ""),
        found.get(SOP_CLASS_UID, ""),
    )


def _walk(buffer: Buffer, start: int, explicit: bool, order: str) -> dict[int, str]:
    """The wanted UIDs of the top level, once every element has been seen to fit.

    `open_levels` holds what is still open, outermost first: (is a sequence, was explicit before, had order
    before). A sequence holds items, a dataset or an item holds elements.
    """
    found: dict[int, str] = {}
    end = len(buffer)
    position = start
    header, tag_length, length_only = _EXPLICIT[order], _TAG_LENGTH[order], _LENGTH[order]
    open_levels: list[tuple[bool, bool, str]] = []
    in_sequence = False
    while position < end:
        if end - position < 8:
            if open_levels or not _zeros(buffer, position):
                raise Unparsable("ends inside an element's header")
            break
        if in_sequence:
            group, element, length = tag_length.unpack_from(buffer, position)
            tag = group << 16 | element
            position += 8
            if tag == ITEM:
                if length != UNDEFINED:
                    position += length
                    continue
                open_levels.append((False, explicit, order))
                in_sequence = False
            elif tag == SEQUENCE_END:
                _, explicit, before = open_levels.pop()
                if before != order:
                    order = before
                    header, tag_length, length_only = _EXPLICIT[order], _TAG_LENGTH[order], _LENGTH[order]
                in_sequence = False
            else:
                raise Unparsable("a sequence holds something that is not an item")
            continue
        vr = b""
        if explicit:
            group, element, vr, length = header.unpack_from(buffer, position)
            tag = group << 16 | element
            position += 8
            if vr in SHORT_VR:
                pass
            elif vr in LONG_VR or (group != 0xFFFE and vr.isalpha() and vr.isupper()):
                if end - position < 4:
                    raise Unparsable("ends inside an element's header")
                (length,) = length_only.unpack_from(buffer, position)
                position += 4
            else:
                # An item's end, or an element that a careless encoder left without a VR.
                (length,) = length_only.unpack_from(buffer, position - 4)
        else:
            group, element, length = tag_length.unpack_from(buffer, position)
            tag = group << 16 | element
            position += 8
        if length == UNDEFINED:
            if group == 0xFFFE:
                raise Unparsable("an item stands outside of a sequence")
            open_levels.append((True, explicit, order))
            in_sequence = True
            if vr == b"UN":
                # PS3.5 §6.2.2: what is inside is Implicit VR Little Endian whatever is around it.
                explicit = False
                if order != "<":
                    order = "<"
                    header, tag_length, length_only = _EXPLICIT[order], _TAG_LENGTH[order], _LENGTH[order]
            continue
        if group == 0xFFFE and tag in (ITEM, ITEM_END, SEQUENCE_END):
            if tag != ITEM_END or not open_levels:
                raise Unparsable("a delimiter stands where none belongs")
            open_levels.pop()
            in_sequence = True
            continue
        if tag in WANTED and not open_levels and tag not in found:
            if length > 1024 or position + length > end:
                raise Unparsable("a UID is longer than any UID can be")
            found[tag] = bytes(buffer[position : position + length]).strip(b"\0 ").decode("latin-1")
        elif group == 0:
            if tag == 0 and not open_levels and _zeros(buffer, position - 8):
                return found
            raise Unparsable("a group that no dataset has")
        position += length
    if position > end:
        raise Unparsable("ends inside an element's value")
    if open_levels:
        raise Unparsable("ends inside a sequence")
    return found


def _zeros(buffer: Buffer, position: int) -> bool:
    """Whether all that is left is zero bytes."""
    step = 1 << 16
    borders = (*range(position, len(buffer), step), len(buffer))
    return all(not any(buffer[a:b]) for a, b in pairwise(borders))


def _guess(buffer: Buffer, start: int) -> tuple[bool, str]:
    """(explicit VR, byte order) by the look of the first element."""
    head = bytes(buffer[start : start + 6])
    if len(head) < 6:
        raise Unparsable("ends inside an element's header")
    # Datasets begin with a small group number: its big half is zero.
    return head[4:6] in ENCODED_VR, ">" if head[0] == 0 and head[1] != 0 else "<"


def _inflate(buffer: Buffer, start: int) -> bytes:
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
