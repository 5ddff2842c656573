"""The walk: every element at every depth under its rule; kept ones as the bytes they were."""

from collections import defaultdict
from typing import Final

from deidentification.dataset import dates, uids
from deidentification.dataset.dummies import DUMMIES, TEXT
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
from deidentification.dataset.reader import Buffer, Header, elements
from deidentification.dataset.values import CHECKS, cleaned
from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import CAPTURED, IDENTIFYING
from deidentification.profiles.compiled import (
    CLASS_UID,
    CODE,
    DATE,
    DROP,
    DUMMY,
    EMPTY,
    KEEP,
    PRIVATE,
    REFUSE,
    REFUSE_BITS,
    REFUSE_YES,
    TIME,
    UID,
    UNKNOWN,
    VERSION,
    WALK,
    Act,
    Compiled,
    Rule,
)
from deidentification.standard.dictionary import DICTIONARY, NUMERIC_SIZES
from deidentification.standard.reviewed import INSTANCE_UIDS
from deidentification.subject import Subject

MAX_DEPTH: Final = 128
PIXELS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
TRAILING_PADDING: Final = 0xFFFCFFFC
LAST: Final = min(PIXELS)
CONTENT_SEQUENCE, CONCEPT_NAME, CODE_VALUE, CODE_SCHEME = 0x0040A730, 0x0040A043, 0x00080100, 0x00080102
# What may be kept of UN when the dictionary knows its VR: numbers, and strings whose shape is checked.
UN_SIZES: Final = {**NUMERIC_SIZES, **dict.fromkeys(CHECKS, 1)}
# Bytes of one value: what is longer is no number, and no name of 64 or 16 characters in any character set.
LONGEST: Final = {**NUMERIC_SIZES, b"LO": 256, b"SH": 64}
SAFE_PRIVATE_VRS: Final = frozenset((*NUMERIC_SIZES, b"DS", b"IS", b"CS", b"SQ"))
Chunk = tuple[int, bytes]


class Walk:
    """One pass over one dataset.

    After `dataset` it holds what the caller needs: counts per action code, the top level's captured values,
    the source's identifying values for the gate, and the dates that were written.
    """

    def __init__(self, buffer: Buffer, subject: Subject, profile: Compiled) -> None:
        self.buffer = buffer
        self.key = subject.key
        self.days = subject.shift_days
        self.profile = profile
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.captured: dict[int, bytes] = {}
        self.identifying: set[tuple[int, bytes]] = set()
        self.written_dates: set[bytes] = set()
        self.pixels: Header | None = None

    def top(self, encoding: Encoding) -> list[Chunk]:
        """The whole dataset up to its pixel data, which `pixels` then locates."""
        return self._dataset(0, self.buffer.loaded, False, encoding, encoding, 0)[0]

    def _dataset(
        self, at: int, bound: int, open_ended: bool, encoding: Encoding, target: Encoding, depth: int
    ) -> tuple[list[Chunk], int]:
        """One dataset from `at` to `bound`, or to its item delimiter when `open_ended`; chunks in tag order."""
        buffer, rules, counts = self.buffer, self.profile.rules, self.counts
        data, header = buffer.data, buffer.header
        same, explicit, unpack = encoding == target, not encoding.implicit, encoding.structs[0].unpack_from
        chunks: list[Chunk] = []
        private, creators = self.profile.private, dict[int, bytes]()
        previous, ordered = -1, True
        while at < bound or open_ended or bound == buffer.loaded < buffer.size:
            start = at
            value = at + 8
            if explicit and value <= bound:
                group, number, vr, length = unpack(data, at)
                tag = group << 16 | number
            else:
                vr = b""
            if vr not in SHORT_VRS:
                try:
                    tag, vr, value, length = header(at, bound, encoding)
                except CannotDeidentify:
                    if depth == 0 and not data[at:].strip(b"\0"):
                        break
                    raise
                if tag == ITEM_END and open_ended:
                    at = value
                    break
            at = value + length
            nested_pixels = False
            if tag >= LAST:
                if depth == 0:
                    if tag in PIXELS:
                        self.pixels = (tag, vr, value, length)
                        break
                    if tag == TRAILING_PADDING:
                        break
                else:
                    nested_pixels = tag in PIXELS
            if length == UNDEFINED:
                at = bound
            elif at > bound:
                raise self._located(buffer.beyond(at, bound), tag)
            # Pixels in an item are a thumbnail of pixels that nobody looked at.
            rule = None if nested_pixels else rules.get(tag)
            if rule is None:
                if private and tag >> 16 & 1:
                    chunk, at = self._private(creators, chunks, tag, vr, value, length, at, encoding, target, depth)
                else:
                    rule = PRIVATE if tag >> 16 & 1 else UNKNOWN
                    if tag >> 16 == 0xFFFE:
                        raise CannotDeidentify("structure", "a delimiter stands outside a sequence")
                    counts[rule.code] += 1
                    if length == UNDEFINED:
                        at = buffer.skip(value, bound, IMPLICIT_LE if vr == b"UN" else encoding)
                    continue
            elif rule.act is KEEP and length != UNDEFINED and vr != b"SQ":
                chunk = self._keep(rule, tag, vr, start, value, at, same, target)
                if depth == 0 and tag in CAPTURED:
                    self.captured[tag] = data[value:at]
            elif rule.act is WALK or rule.act is CODE or vr == b"SQ" or length == UNDEFINED:
                try:
                    chunk, at = self._sequence(rule, tag, vr, value, length, at, encoding, target, depth)
                except CannotDeidentify as refusal:
                    raise refusal if refusal.steps and refusal.steps[0][0] == tag else refusal.within(tag) from None
            else:
                counts[rule.code] += 1
                chunk = self._replace(rule, tag, vr, data[value:at], target, depth)
            if chunk is not None:
                chunks.append((tag, chunk))
                if tag <= previous:
                    ordered = False
                previous = tag
        if not ordered:
            chunks = sorted(dict(chunks).items())
        return chunks, at

    @staticmethod
    def _located(problem: Exception, tag: int) -> Exception:
        return problem.within(tag) if isinstance(problem, CannotDeidentify) else problem

    def _keep(
        self, rule: Rule, tag: int, vr: bytes, start: int, value: int, end: int, same: bool, target: Encoding
    ) -> bytes | None:
        """A kept element as its own bytes, unless its VR or its value is not what it must be."""
        data = self.buffer.data
        if not vr:
            vr = rule.vrs[0]
        elif vr not in rule.accepted or vr == b"UN":
            size = UN_SIZES.get(rule.vrs[0])
            if vr != b"UN" or not target.little:
                self.counts["X"] += 1
                return None
            if not size or (end - value) % size:
                self.counts["Z"] += 1
                return element(tag, rule.vrs[0], b"", target)
            vr, same = rule.vrs[0], False
        # A code written as LO or SH is still a code; nothing is longer than its VM allows.
        checked = b"CS" if rule.vrs[0] == b"CS" else vr
        check = CHECKS.get(checked)
        if check is not None and not check(data[value:end]):
            self.counts["Z"] += 1
            return element(tag, vr, cleaned(checked, data[value:end]), target)
        if rule.most and end - value > rule.most * LONGEST.get(vr, end):
            self.counts["Z"] += 1
            return element(tag, vr, b"", target)
        self.counts[rule.code] += 1
        return data[start:end] if same else element(tag, vr, data[value:end], target)

    def _replace(self, rule: Rule, tag: int, vr: bytes, value: bytes, target: Encoding, depth: int) -> bytes | None:
        """The element after any action but keeping and walking; None when it goes."""
        if tag in IDENTIFYING:
            self.identifying.add((tag, value))
        if depth == 0 and tag in CAPTURED:
            self.captured[tag] = value
        act = rule.act
        if act is DROP:
            return None
        if act is REFUSE:
            raise CannotDeidentify("encapsulated-document", "an encapsulated document is not cleaned", ((tag, None),))
        if act is REFUSE_YES:
            if value.strip(b"\0 ").upper() == b"YES":
                raise CannotDeidentify("burned-in", "identity stands in the pixels", ((tag, None),))
            act = rule.otherwise
        if act is REFUSE_BITS:
            bits = int.from_bytes(value[:2], "little" if target.little else "big")
            if bits > 1:
                raise CannotDeidentify("overlay-in-pixels", "an overlay stands in the pixel data", ((tag, None),))
            return None
        if vr in rule.accepted and vr != b"UN":
            written_vr = vr
        elif rule.vrs:
            written_vr = rule.vrs[0]
        else:
            return None
        replaced = self._value(act, rule, tag, written_vr, value)
        return None if replaced is None else element(tag, written_vr, replaced, target)

    def _value(self, act: Act, rule: Rule, tag: int, vr: bytes, value: bytes) -> bytes | None:
        if act is DROP:
            return None
        if act is UID:
            if tag in INSTANCE_UIDS:
                return uids.new_uid(self.key, value.strip(uids.PADDING)) if value.strip(uids.PADDING) else b""
            return uids.replace(self.key, value)
        if act is CLASS_UID:
            return uids.replace_instances_only(self.key, value)
        if act is DATE and vr in (b"DA", b"DT"):
            moved = dates.shift(value, self.days, vr)
            if moved is not None:
                self.written_dates.add(moved)
                return moved
        elif (act is TIME and dates.is_time(value)) or (act is VERSION and dates.is_datetime(value)):
            return value
        elif act is KEEP:
            check = CHECKS.get(vr)
            return value if check is None or check(value) else b""
        if act is DUMMY or (rule.otherwise is DUMMY and act is not EMPTY):
            return DUMMIES[vr]
        return b""

    def _sequence(
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
            content, end = self._items(tag, value, end, open_ended, inner, target, depth + 1)
        else:
            content = b""
            if open_ended:
                end = self.buffer.skip(value, end, inner)
        self.counts[rule.code] += 1
        if not is_sequence or rule.act is DROP:
            return None, end
        if rule.act is CODE:
            content = item(
                element(CODE_VALUE, b"SH", TEXT, target)
                + element(CODE_SCHEME, b"SH", b"99FIONA", target)
                + element(0x00080104, b"LO", TEXT, target),
                target,
            )
        elif rule.act is not WALK:
            content = b""
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
        buffer = self.buffer
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
            try:
                chunks, at = self._dataset(at, end, length == UNDEFINED, encoding, target, depth)
            except CannotDeidentify as refusal:
                raise refusal.within(tag, index) from None
            if tag != CONTENT_SEQUENCE or not self._concept_goes(chunks, target):
                items.append(item(b"".join([chunk for _, chunk in chunks]), target))
            index += 1
        return b"".join(items), at

    def _concept_goes(self, chunks: list[Chunk], target: Encoding) -> bool:
        """Whether E.3.4-1 removes the content item with this concept name."""
        name = next((chunk for tag, chunk in chunks if tag == CONCEPT_NAME), None)
        if name is None:
            return False
        start = (8 if target.implicit else 12) + 8
        code = elements(name, target, start, (CODE_VALUE, CODE_SCHEME)) if len(name) > start else {}
        value, scheme = (code.get(tag, b"").strip(b"\0 ") for tag in (CODE_VALUE, CODE_SCHEME))
        return (value, scheme) in self.profile.removed_concepts

    def _private(
        self, creators: dict[int, bytes], chunks: list[Chunk], tag: int, vr: bytes, value: int, length: int, end: int,
        encoding: Encoding, target: Encoding, depth: int,
    ) -> tuple[bytes | None, int]:  # fmt: skip
        """A private element: kept when its creator's element is on the Standard's safe list, by creator not block."""
        data, number = self.buffer.data, tag & 0xFFFF
        if 0x10 <= number <= 0xFF and length != UNDEFINED:
            creators[tag] = data[value:end].strip(b"\0 ")
            self.counts["X"] += 1
            return None, end
        holder = tag & 0xFFFF0000 | number >> 8
        creator = creators.get(holder, b"")
        safe = self.profile.private.get((tag >> 16, number & 0xFF, creator), b"")
        size = NUMERIC_SIZES.get(safe, 1)
        usable = safe in SAFE_PRIVATE_VRS and vr in (safe, b"")
        if vr == b"UN" and target.little:
            usable = safe in SAFE_PRIVATE_VRS - {b"CS"}
        if usable and safe == b"SQ":
            rule = Rule(WALK, "C", "E.3.10-1", (b"SQ",), frozenset((b"SQ",)), DROP)
            chunk, end = self._sequence(rule, tag, vr, value, length, end, encoding, target, depth)
        elif usable and length != UNDEFINED and length % size == 0 and CHECKS.get(safe, _anything)(data[value:end]):
            self.counts["C"] += 1
            chunk = element(tag, safe, data[value:end], target)
        else:
            self.counts["X"] += 1
            if length == UNDEFINED:
                end = self.buffer.skip(value, end, IMPLICIT_LE if vr == b"UN" else encoding)
            return None, end
        if creators.get(~holder) is None:
            creators[~holder] = creator
            chunks.append((holder, element(holder, b"LO", creator, target)))
        return chunk, end


def _anything(_: bytes) -> bool:
    return True
