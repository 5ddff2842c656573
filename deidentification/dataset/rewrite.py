"""The walk: every element at every depth under its rule; kept ones as the bytes they were.

At the top level it asks the memory first: what stood in an earlier instance with the same bytes is taken over whole.
"""

from itertools import pairwise
from typing import Final

from deidentification.content import codes, sr
from deidentification.dataset import private, single
from deidentification.dataset.context import Context
from deidentification.dataset.dummies import TEXT
from deidentification.dataset.encoding import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Encoding,
    element,
    item,
)
from deidentification.dataset.memory import LARGEST, Effects, Element, Piece
from deidentification.dataset.reader import Buffer, Header
from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import CAPTURED, CHARACTER_SET, IDENTIFYING
from deidentification.profiles.rules import (
    CODE,
    DROP,
    KEEP,
    REFUSE,
    WALK,
    Rule,
)
from deidentification.standard.dictionary import DICTIONARY

MAX_DEPTH: Final = 128
# Bounds of time and memory, far above what frames of real objects need.
MOST_ITEMS, MOST_IDENTIFYING = 1_000_000, 250_000
PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
TRAILING_PADDING: Final = 0xFFFCFFFC
LAST: Final = min(PIXELS)
SMALL, REPEATED = 64, 4096
SETTLED: Final = frozenset((codes.VALUE, codes.SCHEME, codes.MEANING, codes.LONG_VALUE))


class Walk:
    """One pass over one dataset, for one context.

    After `top` it holds what the caller needs: effects (counts, captured and identifying values, written dates, and
    which content items were left out) and where the pixel data begins.
    """

    def __init__(self, buffer: Buffer, context: Context, captured: frozenset[int] = CAPTURED) -> None:
        self.buffer = buffer
        self.context = context
        self.wanted = captured
        self.effects = Effects()
        self.pixels: Header | None = None
        self.creators: dict[int, bytes] = {}
        self.rules = context.nested
        self.charset = context.character_set
        self.path: tuple[int, ...] = sr.ROOT

    def top(self) -> list[Piece]:
        """The whole dataset up to its pixel data, which `pixels` then locates, as pieces in the source's order."""
        buffer, memory = self.buffer, self.context.memory
        data, known = buffer.data, memory.pieces
        begins = data.startswith
        pieces: list[Piece] = []
        run: list[Piece] = []
        at = 0
        while at < buffer.loaded or buffer.loaded < buffer.size:
            for piece in known.get(data[at : at + 4], ()):
                if begins(piece.raw, at):
                    run.append(piece)
                    break
            else:
                fresh = self._fresh(at)
                if fresh is None:
                    break
                piece = fresh
                if len(run) > 1:
                    memory.join(run)
                run = []
            pieces.append(piece)
            at += piece.size
        if len(run) > 1:
            memory.join(run)
        effects = self.effects
        for piece in pieces:
            effects.add(piece.effects)
        self._bounded()
        return pieces

    def _bounded(self) -> None:
        """Refuse what takes more time and memory than an object needs, whether it was walked or remembered."""
        if self.effects.items > MOST_ITEMS or len(self.effects.identifying) > MOST_IDENTIFYING:
            raise CannotDeidentify("too-many-items", "the header has more items or identities than an object has")

    def _fresh(self, at: int) -> Piece | None:
        """The element at `at` worked on, and remembered when it may come again; None where the dataset ends."""
        buffer, context = self.buffer, self.context
        try:
            tag, vr, value, length = buffer.header(at, buffer.loaded, context.encoding)
        except CannotDeidentify:
            if not buffer.data[at:].strip(b"\0"):
                return None
            raise
        if tag >= LAST and (tag in PIXELS or tag == TRAILING_PADDING):
            self.pixels = (tag, vr, value, length) if tag in PIXELS else None
            return None
        outer, self.effects = self.effects, Effects()
        chunks: list[Element] = []
        end = self._element(
            chunks, self.creators, context.rules, tag, vr, at, value, length, buffer.loaded,
            context.encoding, context.encoding, 0,
        )  # fmt: skip
        effects, self.effects = self.effects, outer
        kept = tuple([chunk for chunk in chunks if chunk[0] not in context.inserted])
        piece = Piece(buffer.data[at:end], tag, tag, kept, effects, kept)
        depends = (tag >> 16 & 1 and context.keeps_private) or tag == sr.CONTENT_SEQUENCE
        if not depends and piece.size <= LARGEST:
            context.memory.remember(piece)
        return piece

    def _dataset(
        self, at: int, bound: int, open_ended: bool, encoding: Encoding, target: Encoding, depth: int
    ) -> tuple[list[Element], int]:
        """One item's dataset from `at` to `bound`, or to its delimiter when `open_ended`; chunks in tag order."""
        buffer, rules, charset = self.buffer, self.rules, self.charset
        data, header = buffer.data, buffer.header
        explicit, unpack = not encoding.implicit, encoding.structs[0].unpack_from
        chunks: list[Element] = []
        creators: dict[int, bytes] = {}
        while at < bound or open_ended or bound == buffer.loaded < buffer.size:
            value, vr = at + 8, b""
            if explicit and value <= bound:
                group, number, vr, length = unpack(data, at)
                tag = group << 16 | number
            if vr not in SHORT_VRS:
                tag, vr, value, length = header(at, bound, encoding)
                if tag == ITEM_END and open_ended:
                    at = value
                    break
            at = self._element(
                chunks, creators, rules, tag, vr, at, value, length, bound, encoding, target, depth
            )  # fmt: skip
            if tag == CHARACTER_SET:
                self.charset = data[value:at].strip(b"\0 ")
        self.charset = charset
        if any(after[0] <= before[0] for before, after in pairwise(chunks)):
            chunks = sorted(dict(chunks).items())
        return chunks, at

    def _element(
        self, chunks: list[Element], creators: dict[int, bytes], rules: dict[int, Rule], tag: int, vr: bytes,
        start: int, value: int, length: int, bound: int, encoding: Encoding, target: Encoding, depth: int,
    ) -> int:  # fmt: skip
        """Append what becomes of one element to `chunks`; where the element ends."""
        buffer = self.buffer
        end = bound if length == UNDEFINED else value + length
        if end > bound:
            raise _located(buffer.beyond(end, bound), tag)
        # Pixels in an item are a thumbnail of pixels that nobody looked at.
        rule = None if tag in PIXELS else rules.get(tag)
        if rule is None:
            return self._unlisted(chunks, creators, tag, vr, value, length, end, encoding, target, depth)
        act = rule.act
        chunk: bytes | None
        if act is KEEP and length != UNDEFINED and vr != b"SQ":
            chunk = single.kept(self, rule, tag, vr, start, value, end, encoding == target, target)
            if depth == 0 and tag in self.wanted:
                self.effects.captured[tag] = buffer.data[value:end]
            if tag in IDENTIFYING:
                self.effects.identifying.add((tag, buffer.data[value:end]))
        elif act is WALK or act is CODE or vr == b"SQ" or length == UNDEFINED:
            try:
                chunk, end = self._sequence(rule, tag, vr, start, value, length, end, encoding, target, depth)
            except CannotDeidentify as refusal:
                raise refusal if refusal.steps and refusal.steps[0][0] == tag else refusal.within(tag) from None
        else:
            self.count(rule.code)
            chunk = single.changed(self, rule, tag, vr, buffer.data[value:end], target, depth)
        if chunk is not None:
            chunks.append((tag, chunk))
        return end

    def count(self, code: str) -> None:
        """One more element under this action code."""
        counts = self.effects.counts
        counts[code] = counts.get(code, 0) + 1

    def _unlisted(
        self, chunks: list[Element], creators: dict[int, bytes], tag: int, vr: bytes, value: int, length: int, end: int,
        encoding: Encoding, target: Encoding, depth: int,
    ) -> int:  # fmt: skip
        """A private element, which may be kept, or one that nobody defines, which goes."""
        if tag >> 16 == 0xFFFE:
            raise CannotDeidentify("structure", "a delimiter stands outside a sequence")
        if tag >> 16 & 1 and self.context.keeps_private:
            found = private.Found(tag, vr, value, length, end)
            return private.treated(self, chunks, creators, found, encoding, target, depth)
        self.count("X")
        if length == UNDEFINED:
            return self.buffer.skip(value, end, IMPLICIT_LE if vr == b"UN" else encoding)
        return end

    def _sequence(
        self, rule: Rule, tag: int, vr: bytes, start: int, value: int, length: int, end: int, encoding: Encoding,
        target: Encoding, depth: int,
    ) -> tuple[bytes | None, int]:  # fmt: skip
        """A sequence inside an item that stood there before is taken over; any other is walked."""
        small = depth > 0 and SMALL <= end - start <= REPEATED and length != UNDEFINED and self.path is sr.ROOT
        if not small:
            return self.sequence(rule, tag, vr, value, length, end, encoding, target, depth)
        key = (self.buffer.data[start:end], depth, self.charset, encoding, id(self.rules))
        known = self.context.memory.nested.get(key)
        if known is None:
            outer, self.effects = self.effects, Effects()
            chunk, _ = self.sequence(rule, tag, vr, value, length, end, encoding, target, depth)
            known, self.effects = (chunk, self.effects), outer
            self.context.memory.keep_nested(key, end - start, known)
        self.effects.add(known[1])
        return known[0], end

    def sequence(
        self, rule: Rule, tag: int, vr: bytes, value: int, length: int, end: int, encoding: Encoding,
        target: Encoding, depth: int,
    ) -> tuple[bytes | None, int]:  # fmt: skip
        """A sequence under its rule, and where it ends; what is no sequence by the dictionary goes."""
        open_ended = length == UNDEFINED
        inner = IMPLICIT_LE if vr == b"UN" else encoding
        if rule.act is REFUSE:
            raise CannotDeidentify("encapsulated-document", "an encapsulated document is not cleaned", ((tag, None),))
        is_sequence = rule.vrs[:1] == (b"SQ",) and vr in (b"", b"SQ", b"UN")
        if is_sequence and vr == b"UN" and not open_ended and self._looks_explicit(value, end):
            inner = EXPLICIT_LE
        if is_sequence and (rule.act is WALK or tag in IDENTIFYING):
            if not target.little and vr == b"UN":
                raise CannotDeidentify("un-sequence", "a sequence as UN in a big-endian dataset", ((tag, None),))
            outer = self.rules
            self.rules = self.context.within.get(tag, outer)
            content, end = self._items(tag, value, end, open_ended, inner, target, depth + 1)
            self.rules = outer
        else:
            content = b""
            if open_ended:
                end = self.buffer.skip(value, end, inner)
        self.count(rule.code)
        if not is_sequence or rule.act is DROP:
            return None, end
        if rule.act is CODE:
            content = item(
                element(codes.VALUE, b"SH", TEXT, target)
                + element(codes.SCHEME, b"SH", b"99FIONA", target)
                + element(codes.MEANING, b"LO", TEXT, target),
                target,
            )
        elif rule.act is not WALK:
            content = b""
        if depth == 0 and tag in self.wanted:
            self.effects.captured[tag] = content
        return element(tag, b"SQ", content, target), end

    def _looks_explicit(self, at: int, end: int) -> bool:
        """Whether the first element of the first item of a UN value carries a VR of its dictionary entry."""
        first = self.buffer.data[at + 8 : at + 14]
        tag = int.from_bytes(first[:2], "little") << 16 | int.from_bytes(first[2:4], "little")
        return at + 14 <= end and first[4:6] in DICTIONARY.get(tag, SHORT_VRS)

    def _items(
        self, tag: int, at: int, bound: int, open_ended: bool, encoding: Encoding, target: Encoding, depth: int
    ) -> tuple[bytes, int]:
        """Every item rewritten; items of structured reports whose concept must go are left out."""
        if depth > MAX_DEPTH:
            raise CannotDeidentify("nesting", f"sequences are nested more than {MAX_DEPTH} deep")
        buffer, path = self.buffer, self.path
        items: list[bytes] = []
        index = 0
        while at < bound or open_ended:
            kind, length = buffer.item(at, bound, encoding)
            at += 8
            if kind == SEQUENCE_END and open_ended:
                break
            if kind != ITEM:
                raise CannotDeidentify("structure", "a delimiter stands where an item must begin")
            end = bound if length == UNDEFINED else at + length
            if end > bound:
                raise buffer.beyond(end, bound)
            self.effects.items += 1
            self._bounded()
            if tag == sr.CONTENT_SEQUENCE:
                self.path = (*path, index + 1)
            try:
                chunks, at = self._dataset(at, end, length == UNDEFINED, encoding, target, depth)
            except CannotDeidentify as refusal:
                raise refusal.within(tag, index) from None
            settled = self._settled(tag, chunks, target)
            if settled is not None:
                items.append(item(b"".join([chunk for _, chunk in settled]), target))
            index += 1
        self.path = path
        return b"".join(items), at

    def _settled(self, tag: int, chunks: list[Element], target: Encoding) -> list[Element] | None:
        """An item after what only the whole item can tell: codes by their scheme, report items by their concept."""
        charset = self.charset
        # In tag order: a character set of its own is among the first, and codes before nearly everything else.
        if chunks and chunks[0][0] <= codes.LONG_VALUE:
            charset = next((codes.value_of(chunk) for known, chunk in chunks if known == CHARACTER_SET), charset)
            if any(known in SETTLED for known, _ in chunks):
                chunks = codes.settled(self.context, chunks, target, charset)
        if tag != sr.CONTENT_SEQUENCE:
            return chunks
        effects = self.effects
        effects.references = effects.references or any(known == sr.REFERENCED_ITEM for known, _ in chunks)
        settled = sr.settled(self.context, chunks, target, charset)
        if settled is None:
            effects.removed.add(self.path)
        return settled


def _located(problem: Exception, tag: int) -> Exception:
    return problem.within(tag) if isinstance(problem, CannotDeidentify) else problem
