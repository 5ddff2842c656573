"""Steps over the elements of a dataset (PS3.5 §7): where each value is, without decoding any.

No length is believed but by its fitting, group lengths mean nothing, and nesting costs a list entry instead of a
stack frame. Sequences and items of defined length are stepped over.
"""

from collections.abc import Container, Iterator
from itertools import pairwise

from shared.dicom.encoding import IMPLICIT_LITTLE, LONG_VR, SHORT_VR, Buffer, Encoding, Unparsable

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

Element = tuple[int, bytes, int, int]
"""Tag, VR (empty where none is written), where the value starts, its length."""


def elements(
    buffer: Buffer, start: int, encoding: Encoding, wanted: Container[int], last: int = 0xFFFFFFFF
) -> Iterator[Element]:
    """The wanted elements of the top level, as far as the tag `last`; those of undefined length are never wanted.

    The dataset goes from `start` to the end of the buffer. Unparsable where the bytes do not go on as a dataset does:
    one that was walked to its end is whole.
    """
    end, position = len(buffer), start
    explicit, _, short, tag_length, length_only = encoding
    # Around each sequence that is open, outermost first. A sequence holds items, a dataset or an item holds elements.
    around: list[Encoding] = []
    in_sequence = False
    while position < end:
        if end - position < 8:
            if around or not _zeros(buffer, position):
                raise Unparsable("ends inside an element's header")
            return
        if in_sequence:
            group, element, length = tag_length.unpack_from(buffer, position)
            tag = group << 16 | element
            position += 8
            if tag == ITEM:
                if length == UNDEFINED:
                    in_sequence = False
                else:
                    position += length
            elif tag == SEQUENCE_END:
                explicit, _, short, tag_length, length_only = encoding = around.pop()
                in_sequence = False
            else:
                raise Unparsable("a sequence holds something that is not an item")
            continue
        vr = b""
        if explicit:
            group, element, vr, length = short.unpack_from(buffer, position)
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
                vr = b""
                (length,) = length_only.unpack_from(buffer, position - 4)
        else:
            group, element, length = tag_length.unpack_from(buffer, position)
            position += 8
        tag = group << 16 | element
        if length == UNDEFINED:
            if group == 0xFFFE:
                raise Unparsable("an item stands outside of a sequence")
            if tag > last and not around:
                return
            around.append(encoding)
            in_sequence = True
            if vr == b"UN":
                # PS3.5 §6.2.2: what is inside is Implicit VR Little Endian whatever is around it.
                explicit, _, short, tag_length, length_only = encoding = IMPLICIT_LITTLE
            continue
        if group == 0xFFFE and tag in (ITEM, ITEM_END, SEQUENCE_END):
            if tag != ITEM_END or not around:
                raise Unparsable("a delimiter stands where none belongs")
            in_sequence = True
            continue
        if tag in wanted and not around:
            if position + length > end:
                raise Unparsable("ends inside an element's value")
            yield tag, vr, position, length
        elif tag > last and not around:
            return
        elif group == 0:
            if tag == 0 and not around and _zeros(buffer, position - 8):
                return
            raise Unparsable("a group that no dataset has")
        position += length
    if position > end:
        raise Unparsable("ends inside an element's value")
    if around:
        raise Unparsable("ends inside a sequence")


def _zeros(buffer: Buffer, position: int) -> bool:
    """Whether all that is left is zero bytes."""
    step = 1 << 16
    borders = (*range(position, len(buffer), step), len(buffer))
    return all(not any(buffer[a:b]) for a, b in pairwise(borders))
