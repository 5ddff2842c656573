"""The last gate: read back what was written and look for the source's people, places, ids, dates and UIDs in it.

What counts as a hit:
- a needle is at least four bytes long (ids five, digits six, phone numbers seven) and stands alone: no letter or digit
  beside it, for a UID no digit or dot, for a date no digit unless a time of day follows; a name of eight letters also
  counts inside a word that the field does not know;
- a word of the field's vocabulary and the reviewed placeholders (`common.py`) are no needles by themselves; a family
  name that is one, or is too short, is looked for beside the rest of the name;
- what the new identity holds, and dates that moved dates happen to equal are none; what the profile keeps on purpose
  excuses its own attribute, and devices, places and days of the same kind: never a name, an id, a birth date;
- times and numbers as text are only telling from eight digits on, binary numbers from six bytes on; versions of code
  lists are public dates; a device's name may be the name of its model.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from deidentification.dataset.encoding import EXPLICIT_LE, Encoding, element
from deidentification.dataset.reader import elements
from deidentification.errors import CannotDeidentify, attribute_path
from deidentification.gate.forms import forms
from deidentification.gate.identity import IDENTIFYING, Kind
from deidentification.gate.search import Index, Needle, stands_alone
from deidentification.gate.standing import Place, places
from deidentification.standard.dictionary import DICTIONARY, NUMERIC_SIZES
from deidentification.standard.reviewed import PUBLIC_VERSIONS

LEAST_UID: Final = 6
PUBLIC_ROOT: Final = b"1.2.840.10008."
UID_PREFIX: Final = 14
RULES: Final = {
    **{kind: f"gate-{kind.value}" for kind in (Kind.NAME, Kind.ID, Kind.DATE, Kind.UID, Kind.TEXT)},
    Kind.DEVICE: "gate-id",
    Kind.PHONE: "gate-text",
}
NUMBERS_AS_TEXT: Final = frozenset((b"AS", b"DA", b"DS", b"DT", b"IS", b"TM", b"UI"))
_UIDS: Final = frozenset(tag for tag, kind in IDENTIFYING.items() if kind is Kind.UID)
_DATES: Final = frozenset(tag for tag, kind in IDENTIFYING.items() if kind is Kind.DATE)
# What may differ from one instance of a series to the next, and what is only a frame around other attributes.
_CHANGING: Final = _UIDS | _DATES | {tag for tag, kind in IDENTIFYING.items() if kind is None}
DAY: Final = 8
BIRTH_DATE: Final = 0x00100030
# What the same value may stand for in several attributes, of which the profile keeps one.
SHARED: Final = frozenset((Kind.DEVICE, Kind.TEXT, Kind.DATE))
BINARY_NUMBERS: Final = frozenset((*NUMERIC_SIZES, b"OD", b"OF", b"OL", b"OV", b"OW"))
LEAST_IN_NUMBERS, LEAST_IN_BINARY = 8, 6
# Of instance, study, series and frame of reference; what is kept elsewhere, as a device's, may not lead back to them.
ITS_OWN: Final = frozenset((0x00080018, 0x0020000D, 0x0020000E, 0x00200052))
# Manufacturer, its model name and software versions: a station may be called after its model.
MODEL: Final = frozenset((0x00080070, 0x00081090, 0x00181020))


@dataclass(frozen=True, slots=True)
class Needles:
    """What must not be found: an index of what a series has in common, and the UIDs of one instance."""

    index: Index
    uids: tuple[tuple[int, bytes], ...] = ()
    kept: frozenset[int] = frozenset()


NOTHING: Final = Needles(Index(()))


def needles(
    identifying: Iterable[tuple[int, bytes]],
    inserted: Iterable[bytes],
    dates: Iterable[bytes],
    character_set: bytes,
    kept: frozenset[int] = frozenset(),
) -> Needles:
    """What to look for of the source's `identifying` (tag, value), where `inserted` and `dates` were written.

    `kept` are the attributes whose values the profile leaves on purpose; a UID of the instance's own is looked for all
    the same, when it stands in one of those, too.
    """
    pairs = list(identifying)
    ours = [pair for pair in pairs if pair[0] in kept] if kept else []
    if kept:
        pairs = [pair for pair in pairs if pair[0] not in kept]
    stable = {pair for pair in pairs if pair[0] not in _CHANGING}
    stable.update([each for tag, value in pairs if tag in _DATES for each in _days(tag, value)])
    uids = [pair for pair in pairs if pair[0] in _UIDS]
    inserted = tuple(inserted)
    own = {value.strip(b"\0 ") for tag, value in uids if tag in ITS_OWN} if ours else set()
    known = {*inserted, *(value for tag, value in ours if tag in _UIDS and value.strip(b"\0 ") not in own)}
    names = tuple(text for text in inserted if text[1:2] != b"." or not text.replace(b".", b"").isdigit())
    shared = frozenset([pair for pair in ours if IDENTIFYING.get(pair[0]) in SHARED])
    return Needles(
        _index(frozenset(stable), names, shared, _moved(frozenset(dates)), character_set),
        tuple([(tag, uid) for tag, value in uids for uid in _several(value) if uid not in known]),
        kept,
    )


@lru_cache(maxsize=256)
def _moved(dates: frozenset[bytes]) -> frozenset[bytes]:
    """The days of what was written."""
    return frozenset(day for date in dates for _, day in _days(0, date))


@lru_cache(maxsize=4096)
def _days(tag: int, value: bytes) -> Iterable[tuple[int, bytes]]:
    """The dates of a DA or DT, without their times: (tag, eight digits)."""
    if len(value) == DAY or (value[:DAY].isdigit() and b"\\" not in value and b"-" not in value):
        return ((tag, value[:DAY]),)
    ends = (end.strip(b"\0 ").replace(b".", b"") for part in value.split(b"\\") for end in part.split(b"-"))
    return [(tag, end[:DAY]) for end in ends]


def _several(value: bytes) -> Iterable[bytes]:
    """The UIDs of one value that name instances."""
    value = value.strip(b"\0 ")
    if b"\\" in value:
        return [uid for part in value.split(b"\\") for uid in _several(part)]
    return () if len(value) < LEAST_UID or value.startswith(PUBLIC_ROOT) else (value,)


@lru_cache(maxsize=64)
def _index(
    identifying: frozenset[tuple[int, bytes]],
    ours: tuple[bytes, ...],
    shared: frozenset[tuple[int, bytes]],
    moved: frozenset[bytes],
    character_set: bytes,
) -> Index:
    """The needles of everything but UIDs; those are none that `ours` holds, or a `shared` kept value of their kind."""
    kept_days = frozenset(day for tag, value in shared if tag in _DATES for _, day in _days(tag, value))
    by_kind: dict[Kind, dict[bytes, Needle]] = {}
    # The birth date first: a form that it has in common with another date is its own.
    for tag, value in sorted(identifying, key=lambda pair: (pair[0] != BIRTH_DATE, pair)):
        kind = IDENTIFYING.get(tag, Kind.NAME)
        excused = kind is Kind.DATE and (value in moved or (tag != BIRTH_DATE and value in kept_days))
        if kind is not None and not excused:
            known = by_kind.setdefault(kind, {})
            looked_for = forms(kind, value, character_set)
            known.update((form, Needle(kind, tag, form)) for form in looked_for if form not in known)
    found = Index(tuple(needle for known in by_kind.values() for needle in known.values()))
    own = set(_held(found, ours))
    for kind in SHARED - {Kind.DATE}:
        values = tuple(sorted(value for tag, value in shared if IDENTIFYING[tag] is kind))
        own.update(needle for needle in _held(found, values) if needle.kind is kind)
    return Index(tuple(needle for needle in found.needles if needle not in own)) if own else found


def _held(index: Index, values: tuple[bytes, ...]) -> Iterable[Needle]:
    """The needles that stand in the values."""
    return (needle for _, needle in index.hits(b"\0\0".join((b"", *values, b"")).upper(), EXPLICIT_LE) if values)


def verify(
    written: bytes,
    meta_size: int,
    encoding: Encoding,
    expected: Mapping[int, bytes],
    wanted: Needles,
    released: frozenset[str] = frozenset(),
) -> None:
    """Check the bytes of a written header: `expected` values in place, nothing `wanted` anywhere.

    `written` ends before the pixel data's element; the dataset begins at `meta_size`. `released` are rules that a
    reviewer has waived for this instance. Raises CannotDeidentify with the attribute that the value came from.
    """
    if not _in_place(written, meta_size, encoding, expected):
        _carriers(written, meta_size, encoding, expected)
    hits = [*wanted.index.hits(written.upper(), encoding), *_uid_hits(written, wanted.uids, encoding)]
    if not hits:
        return
    found = places(written, meta_size, encoding, sorted({at for at, _ in hits}))
    counting = [
        (needle.tag, RULES[needle.kind], found[at])
        for at, needle in hits
        if _counts(needle, found[at], written[at - 1 : at], wanted.kept)
    ]
    left = [hit for hit in counting if hit[1] not in released]
    if left:
        tag, rule, place = min(left, key=lambda hit: (list(RULES.values()).index(hit[1]), hit[0]))
        where = f" at {attribute_path(place.steps)}" if place.steps else ""
        raise CannotDeidentify(rule, f"a value of the source stands in the result{where}", ((tag, None),))


def _counts(needle: Needle, place: Place, before: bytes, kept: frozenset[int]) -> bool:
    """Whether a needle that stands at `place`, after the byte `before`, tells anything there."""
    if place.vr in BINARY_NUMBERS:
        return len(needle.form) >= (LEAST_IN_NUMBERS if needle.form.isdigit() else LEAST_IN_BINARY)
    if place.vr in NUMBERS_AS_TEXT and needle.kind in (Kind.ID, Kind.DEVICE, Kind.PHONE) and needle.form.isdigit():
        return len(needle.form) >= LEAST_IN_NUMBERS
    if needle.kind is Kind.DATE:
        # UIDs are replaced unless the profile keeps them; decimals are no dates.
        decimals = place.vr == b"DS" and before == b"."
        # A newborn is examined on the day of birth: a kept date is kept.
        ours = place.tag in PUBLIC_VERSIONS or (place.tag in kept and place.tag in _DATES)
        return not ours and place.vr not in (b"TM", b"UI") and not decimals
    return needle.kind is not Kind.DEVICE or place.tag not in MODEL


def _uid_hits(written: bytes, uids: tuple[tuple[int, bytes], ...], encoding: Encoding) -> Iterable[tuple[int, Needle]]:
    """Where UIDs stand; those of one source begin alike, so that few beginnings are looked for."""
    present = {prefix for prefix in {uid[:UID_PREFIX] for _, uid in uids} if prefix in written}
    for tag, uid in uids:
        if uid[:UID_PREFIX] in present:
            at = written.find(uid)
            while at >= 0:
                if stands_alone(uid, Kind.UID, written, at, encoding):
                    yield at, Needle(Kind.UID, tag, uid)
                at = written.find(uid, at + 1)


def _in_place(written: bytes, meta_size: int, encoding: Encoding, expected: Mapping[int, bytes]) -> bool:
    """Whether every expected element stands, in order and whole, outside every sequence: the quick look."""
    if encoding.implicit:
        return False
    at, bound = meta_size, 0
    sequence = written.find(b"SQ\0\0", meta_size)
    order: Literal["little", "big"] = "little" if encoding.little else "big"
    for tag in sorted(expected):
        at = written.find(_element(tag, expected[tag], encoding), at)
        if at < 0:
            return False
        while 0 <= sequence < at:
            bound = max(bound, sequence + 8 + int.from_bytes(written[sequence + 4 : sequence + 8], order))
            sequence = written.find(b"SQ\0\0", sequence + 4)
        if at < bound:
            return False
    return True


@lru_cache(maxsize=1024)
def _element(tag: int, value: bytes, encoding: Encoding) -> bytes:
    return element(tag, DICTIONARY[tag][0], value, encoding)


def _carriers(written: bytes, meta_size: int, encoding: Encoding, expected: Mapping[int, bytes]) -> None:
    """The same by walking every element."""
    found = elements(written, encoding, meta_size, expected)
    for tag, value in expected.items():
        if found.get(tag, b"").rstrip(b"\0 ") != value.rstrip(b"\0 "):
            raise CannotDeidentify("gate-carrier", "a written value is not what it must be", ((tag, None),))
