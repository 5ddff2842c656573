"""What a series repeats: elements that were rewritten once are recognised by their bytes and not rewritten again.

A piece is a stretch of source bytes (one element, or a run of them) with what became of it. Pieces are found by their
first four bytes and compared whole. Everything a result depends on besides these bytes is fixed for one Memory:
project, participant, profile, SOP class, encoding, character set and the person whose words are cleaned away.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

Element = tuple[int, bytes]

LIMIT: Final = 2 * 1024 * 1024
LARGEST: Final = 16 * 1024
ALTERNATIVES: Final = 6


class Effects:
    """What rewriting leaves besides bytes: counts per action code, values for the caller and for the gate.

    `items` of sequences were met; `removed` are the paths of content items that were left out, and `references` says
    whether content items refer to others by their path. `given` are pseudonyms that derived objects will repeat.
    """

    __slots__ = ("captured", "counts", "dates", "given", "identifying", "items", "references", "removed")

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.captured: dict[int, bytes] = {}
        self.identifying: set[tuple[int, bytes]] = set()
        self.dates: set[bytes] = set()
        self.given: set[bytes] = set()
        self.removed: set[tuple[int, ...]] = set()
        self.references = False
        self.items = 0

    def add(self, other: "Effects") -> None:
        """Take over what another stretch left."""
        counts = self.counts
        for code, number in other.counts.items():
            counts[code] = counts.get(code, 0) + number
        if other.captured:
            self.captured.update(other.captured)
        if other.identifying:
            self.identifying |= other.identifying
        if other.dates:
            self.dates |= other.dates
        if other.given:
            self.given |= other.given
        if other.removed:
            self.removed |= other.removed
        self.references = self.references or other.references
        self.items += other.items


class Piece:
    """Source bytes and what they became: `elements` one by one, `chunks` joined where nothing may come between."""

    __slots__ = ("chunks", "effects", "elements", "first", "last", "raw", "size")

    def __init__(
        self, raw: bytes, first: int, last: int, elements: tuple[Element, ...], effects: Effects,
        chunks: tuple[Element, ...],
    ) -> None:  # fmt: skip
        self.raw, self.size = raw, len(raw)
        self.first, self.last = first, last
        self.elements, self.chunks = elements, chunks
        self.effects = effects


@dataclass
class Memory:
    """Pieces by their first bytes; bounded, and emptied when full. `inserted` are tags that are written anyway."""

    inserted: Sequence[int] = ()
    pieces: dict[bytes, list[Piece]] = field(default_factory=dict)
    nested: dict[object, tuple[bytes | None, Effects]] = field(default_factory=dict)
    size: int = 0

    def remember(self, piece: Piece) -> None:
        """Put one element's piece before the others that begin alike."""
        self._count(piece.size)
        alike = self.pieces.setdefault(piece.raw[:4], [])
        alike.insert(0, piece)
        del alike[ALTERNATIVES:]

    def join(self, run: Sequence[Piece]) -> None:
        """Make one piece of neighbours that were all known, so that they are compared at once the next time."""
        alike = self.pieces.get(run[0].raw[:4], [])
        if len(alike) >= ALTERNATIVES or any(after.first <= piece.last for piece, after in pairwise(run)):
            return
        effects = Effects()
        for piece in run:
            effects.add(piece.effects)
        elements = tuple(element for piece in run for element in piece.elements)
        raw = b"".join([piece.raw for piece in run])
        self._count(2 * len(raw))
        alike.insert(0, Piece(raw, run[0].first, run[-1].last, elements, effects, tuple(self._joined(elements))))

    def keep_nested(self, key: object, size: int, result: tuple[bytes | None, Effects]) -> None:
        """Remember what a sequence inside an item became."""
        self._count(2 * size)
        self.nested[key] = result

    def _joined(self, elements: Iterable[Element]) -> list[Element]:
        """Elements joined to (first tag, bytes), apart wherever an inserted element belongs between them."""
        places: dict[int, list[Element]] = {}
        for element in elements:
            places.setdefault(bisect_right(self.inserted, element[0]), []).append(element)
        return [(group[0][0], b"".join([chunk for _, chunk in group])) for group in places.values()]

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > LIMIT:
            self.pieces.clear()
            self.nested.clear()
            self.size = size
