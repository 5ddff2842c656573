"""Which attributes are left in what was written, with their distinct values and counts.

Most elements of a series are the same in every instance, so encoded elements are counted first, as bytes, and each
distinct one is decoded once. Nested ones are counted under their path, as (0008,1140)>(0008,1155).
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from struct import iter_unpack, unpack
from typing import TYPE_CHECKING, Final, NamedTuple

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from deidentification.dataset.encoding import IMPLICIT_LE, ITEM, SEQUENCE_END, UNDEFINED, Encoding
from deidentification.dataset.reader import Buffer
from deidentification.dataset.source import FIRST_READ, opened
from deidentification.errors import NeedMore
from deidentification.gate.identity import CHARACTER_SET
from deidentification.standard.dictionary import DICTIONARY, KEYWORDS, TEXT

if TYPE_CHECKING:
    from deidentification.instance import Deidentified

MOST_VALUES: Final = 100
LONGEST: Final = 64
BEFORE_PIXELS: Final = 0x7FE00007
# Elements held undecoded; more are decoded at once.
HELD: Final = 8 * 1024 * 1024
SMALL: Final = 1024
# What is text in the default repertoire whatever character set is declared.
PLAIN: Final = frozenset((b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"TM", b"UR"))
NUMBERS: Final[dict[bytes, tuple[int, str]]] = {
    b"US": (2, "H"), b"SS": (2, "h"), b"UL": (4, "L"), b"SL": (4, "l"), b"FL": (4, "f"), b"FD": (8, "d"),
    b"UV": (8, "Q"), b"SV": (8, "q"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One value of one attribute and how often it stands there; None: UIDs, bulk, or beyond the first hundred."""

    path: str
    keyword: str
    vr: str
    value: str | None
    count: int


Attribute = tuple[str, str, str]
Tally = dict[Attribute, dict[str | None, int]]


class Leaf(NamedTuple):
    """An attribute with a value, at any depth of an encoded element."""

    attribute: Attribute
    value: str | None


class Kept:
    """Counts of what is left, bounded: a hundred values of 64 characters per attribute, the rest counted together."""

    def __init__(self) -> None:
        self._chunks: dict[tuple[Encoding, bytes], Counter[tuple[int, bytes]]] = {}
        self._held = 0
        self._values: Tally = {}

    def add(self, result: "Deidentified") -> None:
        """Count what stands in one result."""
        declared = _declared(result.elements, result.encoding)
        self._chunks.setdefault((result.encoding, declared), Counter()).update(result.elements)
        self._held += sum(len(chunk) for _, chunk in result.elements)
        if self._held > HELD:
            self._decode()

    def remove(self, elements: Iterable[tuple[int, bytes]], encoding: Encoding) -> None:
        """Take back what was counted of a result that was not used after all."""
        found = tuple(elements)
        declared = _declared(found, encoding)
        for _, chunk in found:
            for attribute, value in _walked(chunk, encoding, declared):
                self._count(attribute, value, -1)

    def tally(self) -> Tally:
        """What was counted since this was last asked, as it goes from process to process."""
        self._decode()
        tally, self._values = self._values, {}
        return tally

    def take(self, tally: Tally) -> None:
        """Add what was counted elsewhere."""
        for attribute, values in tally.items():
            for value, count in values.items():
                self._count(attribute, value, count)

    def rows(self) -> list[KeptRow]:
        """All counts, by path and value."""
        self._decode()
        return [
            KeptRow(path, keyword, vr, value, count)
            for (path, keyword, vr), values in sorted(self._values.items())
            for value, count in sorted(values.items(), key=lambda pair: (pair[0] is None, pair[0] or ""))
            if count
        ]

    def _decode(self) -> None:
        for (encoding, declared), chunks in self._chunks.items():
            for (_, chunk), count in chunks.items():
                leaves = (
                    _leaves(chunk, encoding, declared) if len(chunk) <= SMALL else _walked(chunk, encoding, declared)
                )
                for attribute, value in leaves:
                    self._count(attribute, value, count)
        self._chunks, self._held = {}, 0

    def _count(self, attribute: Attribute, value: str | None, count: int) -> None:
        values = self._values.setdefault(attribute, {})
        if value not in values and len(values) - (None in values) >= MOST_VALUES:
            value = None
        values[value] = values.get(value, 0) + count


@lru_cache(maxsize=8192)
def _leaves(chunk: bytes, encoding: Encoding, declared: bytes) -> list[Leaf]:
    """A series repeats its elements from batch to batch: a small one is decoded once."""
    return list(_walked(chunk, encoding, declared))


def _walked(chunk: bytes, encoding: Encoding, declared: bytes) -> Iterator[Leaf]:
    return _dataset(Buffer(chunk, len(chunk)), 0, len(chunk), encoding, declared, "")


def _dataset(buffer: Buffer, at: int, bound: int, encoding: Encoding, declared: bytes, within: str) -> Iterator[Leaf]:
    """Every attribute of encoded elements, those of sequences under their path."""
    while at < bound:
        tag, vr, value, length = buffer.header(at, bound, encoding)
        vr = vr or DICTIONARY.get(tag, (b"UN",))[0]
        inner = IMPLICIT_LE if vr == b"UN" else encoding
        end = buffer.skip(value, bound, inner) if length == UNDEFINED else value + length
        attribute = _named(within, tag, vr)
        if vr == b"SQ" and end > value:
            for start, stop in _items(buffer, value, end, encoding):
                yield from _dataset(buffer, start, stop, encoding, declared, f"{attribute[0]}>")
        else:
            content = buffer.data[value:end]
            if tag == CHARACTER_SET and within:
                declared = content
            yield Leaf(attribute, shown(content, vr, encoding, declared))
        at = end


@lru_cache(maxsize=8192)
def _named(within: str, tag: int, vr: bytes) -> Attribute:
    return f"{within}({tag >> 16:04X},{tag & 0xFFFF:04X})", KEYWORDS.get(tag, ""), vr.decode()


def _items(buffer: Buffer, at: int, bound: int, encoding: Encoding) -> Iterator[tuple[int, int]]:
    """Where each item of a sequence begins and ends, of defined or undefined length."""
    while at < bound:
        tag, length = buffer.item(at, bound, encoding)
        at += 8
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            continue
        end = at + length if length != UNDEFINED else _item_end(buffer, at, bound, encoding)
        yield at, end
        at = end


def _item_end(buffer: Buffer, at: int, bound: int, encoding: Encoding) -> int:
    """Where the delimiter of an item of undefined length stands."""
    while True:
        tag, vr, value, length = buffer.header(at, bound, encoding)
        if tag >> 16 == 0xFFFE:
            return at
        inner = IMPLICIT_LE if vr == b"UN" else encoding
        at = buffer.skip(value, bound, inner) if length == UNDEFINED else value + length


def _declared(elements: Iterable[tuple[int, bytes]], encoding: Encoding) -> bytes:
    """The character set that a dataset's elements, in the order of their tags, declare."""
    for tag, chunk in elements:
        if tag >= CHARACTER_SET:
            return value_of(chunk, encoding) if tag == CHARACTER_SET else b""
    return b""


def value_of(chunk: bytes, encoding: Encoding) -> bytes:
    """The value of one encoded element of defined length."""
    _, _, value, length = Buffer(chunk, len(chunk)).header(0, len(chunk), encoding)
    return chunk[value : value + length]


def elements_of(file: Path, last: int = BEFORE_PIXELS) -> tuple[dict[int, bytes], Encoding]:
    """Tag -> encoded element of a file's top level up to tag `last`. Raises CannotDeidentify, OSError."""
    with opened(file) as source:
        wanted = 0
        while True:
            try:
                return _stepped(source.header(wanted), source.syntax.encoding, last), source.syntax.encoding
            except NeedMore as short:
                wanted = max(short.size + FIRST_READ, wanted * 4, 8 * FIRST_READ)


def _stepped(buffer: Buffer, encoding: Encoding, last: int) -> dict[int, bytes]:
    at, found = 0, dict[int, bytes]()
    while at < buffer.size:
        start = at
        tag, vr, value, length = buffer.header(at, buffer.loaded, encoding)
        if tag > last:
            break
        inner = IMPLICIT_LE if vr == b"UN" else encoding
        at = buffer.skip(value, buffer.loaded, inner) if length == UNDEFINED else value + length
        if at > buffer.loaded:
            raise buffer.beyond(at, buffer.loaded)
        found[tag] = buffer.data[start:at]
    return found


def shown(value: bytes, vr: bytes, encoding: Encoding, declared: bytes) -> str | None:
    """A value as people read it, at most 64 characters; None for UIDs, bulk and longer rows of numbers."""
    if vr == b"UI":
        return None
    if vr in NUMBERS:
        return _numbers(value, vr, encoding)
    if vr == b"AT":
        pairs = iter_unpack("<HH" if encoding.little else ">HH", value[: len(value) // 4 * 4])
        return _short("\\".join(f"({group:04X},{number:04X})" for group, number in pairs))
    if vr not in TEXT and vr not in PLAIN:
        return None if value or vr != b"SQ" else ""
    text = decoded(value, vr, declared).strip("\0 ")
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _numbers(value: bytes, vr: bytes, encoding: Encoding) -> str | None:
    size, sign = NUMBERS[vr]
    count = len(value) // size
    if count > LONGEST:
        return None
    numbers = unpack(f"{'<' if encoding.little else '>'}{count}{sign}", value[: count * size])
    return _short("\\".join(f"{number:.7g}" if vr == b"FL" else repr(number) for number in numbers))


def _short(text: str) -> str | None:
    return text if len(text) <= LONGEST else None


def decoded(value: bytes, vr: bytes, declared: bytes) -> str:
    """Text by the character set that is declared beside it; what does not fit it is replaced."""
    if vr in PLAIN or (value.isascii() and b"\x1b" not in value):
        return value.decode("latin-1")
    terms = [term.strip() for term in declared.decode("latin-1").strip("\0 ").split("\\")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return decode_bytes(value, convert_encodings(terms), PN_DELIMS if vr == b"PN" else TEXT_VR_DELIMS)
        except (LookupError, ValueError):
            return value.decode("latin-1")
