"""Which fragments make which frame (PS3.5 A.4)."""

from struct import unpack
from typing import Final

from deidentification.dataset.encoding import ITEM
from deidentification.dataset.source import Source
from deidentification.errors import CannotDeidentify

Span = tuple[int, int]
STEPS: Final = ((0x7FE00010, None),)
END_OF_IMAGE: Final = b"\xff\xd9"


def frames(source: Source, start: int, count: int) -> list[list[Span]]:
    """(offset, length) of each frame's fragments; `start` is the first item, the offset table's."""
    table, spans = _items(source, start)
    first = spans[0][0] - 8 if spans else 0
    if count == 1 and spans:
        return [spans]
    if len(spans) == count:
        return [[span] for span in spans]
    grouped: list[list[Span]] = []
    if len(table) == count:
        begins = {first + offset for offset in table}
        for span in spans:
            if span[0] - 8 in begins or not grouped:
                grouped.append([])
            grouped[-1].append(span)
    else:
        ended = True
        for offset, length in spans:
            if ended:
                grouped.append([])
            grouped[-1].append((offset, length))
            tail = min(length, 4)
            ended = source.read(offset + length - tail, tail).rstrip(b"\0").endswith(END_OF_IMAGE)
    if len(grouped) != count:
        raise CannotDeidentify("pixel-decode", "there are more or fewer frames than the header says", STEPS)
    return grouped


def _items(source: Source, at: int) -> tuple[tuple[int, ...], list[Span]]:
    table, spans, first = tuple[int, ...](), list[Span](), True
    while True:
        head = source.read(at, 8)
        if len(head) < 8 or unpack("<HH", head[:4]) != (ITEM >> 16, ITEM & 0xFFFF):
            return table, spans
        length = int.from_bytes(head[4:], "little")
        if first:
            table = unpack(f"<{length // 4}L", source.read(at + 8, length & ~3))
        elif length:
            spans.append((at + 8, length))
        first = False
        at += 8 + length
