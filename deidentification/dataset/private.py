"""Private elements: kept when their creator's element is safe by the Standard or by the project, never by block."""

from typing import TYPE_CHECKING, Final, NamedTuple

from deidentification.dataset import dates, uids
from deidentification.dataset.encoding import IMPLICIT_LE, UNDEFINED, Encoding, element
from deidentification.dataset.memory import Element
from deidentification.dataset.values import CHECKS
from deidentification.profiles.rules import ANY_ELEMENT, DROP, WALK, Rule
from deidentification.standard.dictionary import NUMERIC_SIZES

if TYPE_CHECKING:
    from deidentification.dataset.rewrite import Walk

SAFE_VRS: Final = frozenset((*NUMERIC_SIZES, b"DS", b"IS", b"CS", b"SQ"))
OWN_VRS: Final = SAFE_VRS.union(
    (b"AS", b"UI", b"DA", b"DT", b"TM", b"LO", b"SH", b"ST", b"LT", b"UT", b"UC", b"OB", b"OW", b"OF")
)


class Found(NamedTuple):
    """A private element as it stands in the source; `end` is its value's end, or the bound when undefined."""

    tag: int
    vr: bytes
    value: int
    length: int
    end: int


def treated(
    walk: "Walk", chunks: list[Element], creators: dict[int, bytes], found: Found, encoding: Encoding, target: Encoding,
    depth: int,
) -> int:  # fmt: skip
    """Append a private element that may be kept, and its creator before it, to `chunks`; where the element ends."""
    tag, vr, value, length, end = found
    data, number = walk.buffer.data, tag & 0xFFFF
    if 0x10 <= number <= 0xFF and length != UNDEFINED:
        creators[tag] = data[value:end].strip(b"\0 ")
        walk.count("X")
        return end
    holder = tag & 0xFFFF0000 | number >> 8
    creator = creators.get(holder, b"")
    kept_as, allowed = _kept_as(walk, tag, creator, vr)
    usable = kept_as in allowed and (vr in (kept_as, b"") or (vr == b"UN" and target.little and kept_as != b"CS"))
    chunk: bytes | None = None
    if usable and kept_as == b"SQ":
        rule = Rule(WALK, "C", "private", (b"SQ",), frozenset((b"SQ",)), DROP)
        chunk, end = walk.sequence(rule, tag, vr, value, length, end, encoding, target, depth)
    elif (
        usable
        and length != UNDEFINED
        and length % NUMERIC_SIZES.get(kept_as, 1) == 0
        and ((check := CHECKS.get(kept_as)) is None or check(data[value:end]))
    ):
        walk.count("C")
        kept = _value(walk, kept_as, data[value:end])
        chunk = None if kept is None else element(tag, kept_as, kept, target)
    else:
        walk.count("X")
        if length == UNDEFINED:
            end = walk.buffer.skip(value, end, IMPLICIT_LE if vr == b"UN" else encoding)
    if chunk is not None:
        if creators.get(~holder) is None:
            creators[~holder] = creator
            chunks.append((holder, element(holder, b"LO", creator, target)))
        chunks.append((tag, chunk))
    return end


def _value(walk: "Walk", vr: bytes, value: bytes) -> bytes | None:
    """The value as it is kept: dates move and UIDs are mapped like all the others; what is no date or time goes."""
    context = walk.context
    if vr == b"UI" and not context.profile.keeps_uids:
        return uids.replace(context.new_uid, value)
    if vr == b"TM":
        return value if dates.is_time(value) else None
    if vr in (b"DA", b"DT") and context.profile.keeps_dates:
        return value if dates.shift(value, 0, vr) is not None else None
    if vr in (b"DA", b"DT"):
        moved = dates.shift(value, context.days, vr, context.pseudonyms) if context.profile.modified_dates else None
        if moved:
            walk.effects.dates.add(moved)
        return moved
    return value


def _kept_as(walk: "Walk", tag: int, creator: bytes, vr: bytes) -> tuple[bytes, frozenset[bytes]]:
    """The VR that a private element is kept with (empty: not at all), and which VRs may be kept on that ground."""
    profile, group, number = walk.context.profile, tag >> 16, tag & 0xFF
    safe = profile.private.get((group, number, creator))
    if safe is not None:
        return safe, SAFE_VRS
    for wanted in (number, ANY_ELEMENT):
        own = profile.own_private.get((group, wanted, creator))
        if own is not None and creator:
            return own or vr, OWN_VRS
    return b"", SAFE_VRS
