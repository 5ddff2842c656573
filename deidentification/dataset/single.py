"""One element that is no sequence: kept as the bytes it is, or changed as its rule says."""

from typing import TYPE_CHECKING, Final

from deidentification.content import cleaners
from deidentification.dataset import pseudonyms
from deidentification.dataset.encoding import LONG_VRS, Encoding, element
from deidentification.dataset.replace import replaced
from deidentification.dataset.values import CHECKS, cleaned
from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import IDENTIFYING
from deidentification.profiles.rules import DATE, DROP, EMPTY, REFUSE, REFUSE_BITS, REFUSE_YES, VERSION, Rule
from deidentification.standard.dictionary import NUMERIC_SIZES

if TYPE_CHECKING:
    from deidentification.dataset.rewrite import Walk

# What may be kept of UN when the dictionary knows its VR: numbers, and strings whose shape is checked.
UN_SIZES: Final = {**NUMERIC_SIZES, **dict.fromkeys(CHECKS, 1)}
# Bytes of one value: what is longer is no number, and no name of 64 or 16 characters in any character set.
LONGEST: Final = {**NUMERIC_SIZES, b"LO": 256, b"SH": 64}
# Bytes of one changed value that is no bulk: thousands of UIDs, and far from what searching for it could bear.
LARGEST: Final = 1024 * 1024
UNTOLD: Final = (b"", b"UN")
SHORT_TEXTS: Final = frozenset((b"LO", b"SH"))
# What stands between a long VR and its length (PS3.5 7.1.2).
RESERVED: Final = b"\0\0"


def kept(
    walk: "Walk", rule: Rule, tag: int, vr: bytes, start: int, value: int, end: int, same: bool, target: Encoding
) -> bytes | None:
    """A kept element as its own bytes, unless its VR or its value is not what it must be."""
    data = walk.buffer.data
    if not vr:
        vr = rule.vrs[0]
    elif vr not in rule.accepted or vr == b"UN":
        size = UN_SIZES.get(rule.vrs[0])
        if vr != b"UN" or not target.little:
            walk.count("X")
            return None
        if not size or (end - value) % size:
            walk.count("Z")
            return element(tag, rule.vrs[0], b"", target)
        vr, same = rule.vrs[0], False
    # A code written as LO or SH is still a code; nothing is longer than its VM allows.
    checked = b"CS" if rule.vrs[0] == b"CS" else vr
    check = CHECKS.get(checked)
    if check is not None and not check(data[value:end]):
        walk.count("Z")
        return element(tag, vr, cleaned(checked, data[value:end]), target)
    if rule.most and end - value > rule.most * LONGEST.get(vr, end):
        walk.count("Z")
        return element(tag, vr, b"", target)
    person = walk.context.person.pattern if vr in SHORT_TEXTS else None
    if person and rule.source.startswith("data dictionary") and person.search(data[value:end].decode("latin-1")):
        walk.count("C")
        return element(tag, vr, cleaners.text(walk.context, vr, data[value:end], walk.charset), target)
    walk.count(rule.code)
    if value - start == 12 and data[start + 6 : start + 8] != RESERVED:
        same = False
    return data[start:end] if same else element(tag, vr, data[value:end], target)


def changed(walk: "Walk", rule: Rule, tag: int, vr: bytes, value: bytes, target: Encoding, depth: int) -> bytes | None:
    """The element after any action but keeping and walking; None when it goes."""
    effects = walk.effects
    if len(value) > LARGEST and (vr if vr not in UNTOLD else b"".join(rule.vrs[:1])) not in LONG_VRS:
        raise CannotDeidentify("lying-length", "a short value is longer than any object needs", ((tag, None),))
    if tag in IDENTIFYING:
        effects.identifying.add((tag, value))
    if depth == 0 and tag in walk.wanted:
        effects.captured[tag] = value
    act = rule.act
    if act is DROP:
        return None
    if act is REFUSE:
        return _document(walk, tag, value, target, depth)
    if act is REFUSE_YES:
        said = value.strip(b"\0 ").upper()
        # At the top level the plan for the pixels decides.
        if depth > 0 and said == b"YES" and "burned-in" not in walk.context.released:
            raise CannotDeidentify("burned-in", "identity stands in the pixels", ((tag, None),))
        act = rule.otherwise if said in (b"YES", b"NO") else EMPTY
    if act is REFUSE_BITS:
        bits = int.from_bytes(value[:2], "little" if target.little else "big")
        if bits > 1 and "overlay-in-pixels" not in walk.context.released:
            if depth > 0:
                raise CannotDeidentify("overlay-in-pixels", "an overlay stands in the pixel data", ((tag, None),))
            effects.captured[tag] = value
        return None
    if vr in rule.accepted and vr != b"UN":
        written_vr = vr
    elif rule.vrs:
        written_vr = rule.vrs[0]
    else:
        return None
    written = replaced(walk.context, rule, act, tag, written_vr, value, walk.charset)
    if written is None:
        return None
    if act in (DATE, VERSION) and written:
        effects.dates.add(written)
    if act in pseudonyms.REPLACING and written:
        effects.given.update(pseudonyms.given(act, tag, written))
        if walk.context.pseudonyms and not walk.context.pseudonyms.isdisjoint(pseudonyms.parts(act, value)):
            walk.count(pseudonyms.STAYED)
    return element(tag, written_vr, written, target)


def _document(walk: "Walk", tag: int, value: bytes, target: Encoding, depth: int) -> bytes | None:
    """An encapsulated document as its treatment says; one that is held is refused by admission."""
    treatment = walk.context.treatment
    if depth > 0:
        raise CannotDeidentify("encapsulated-document", "an encapsulated document is not cleaned", ((tag, None),))
    if treatment.dummy:
        return element(tag, b"OB", treatment.dummy.dummy, target)
    if treatment.passes:
        return element(tag, b"OB", value, target)
    walk.effects.captured[tag] = b""
    return None
