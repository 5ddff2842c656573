"""From an action code to an act: by the attribute's Type, its VR, and the options that a profile takes."""

from typing import Final

from deidentification.dataset.encoding import LONG_VRS, SHORT_VRS
from deidentification.profiles.rules import (
    AGE,
    CLASS_UID,
    CLEAN,
    CODE,
    DATE,
    DROP,
    DUMMY,
    EMPTY,
    HASH,
    KEEP,
    TIME,
    UID,
    VERSION,
    WALK,
    Act,
    Rule,
)
from deidentification.standard import reviewed
from deidentification.standard.dictionary import BULK, DICTIONARY, FREE_TEXT, KEYWORDS, MULTIPLICITY, compatible
from deidentification.standard.tables import AttributeRow, Option

VRS: Final = LONG_VRS | SHORT_VRS
# Text that can be read for what identifies; names (PN) and addresses (UR) are nothing else.
CLEANABLE: Final = frozenset((b"CS", b"LO", b"LT", b"SH", b"ST", b"UC", b"UT"))
MOMENTS: Final = frozenset((b"DA", b"DT"))

# E.1-1a by Type 1, 2, 3, and 0 where the Type is not known: what is valid for every Type. Z may hold a dummy by its
# own words, so a Type 1 attribute never ends up empty.
RESOLVED: Final[dict[str, tuple[Act, Act, Act, Act]]] = {
    #          0      1      2      3
    "X": (DROP, DROP, DROP, DROP),
    "Z": (EMPTY, DUMMY, EMPTY, EMPTY),
    "D": (DUMMY, DUMMY, DUMMY, DUMMY),
    "U": (UID, UID, UID, UID),
    "K": (KEEP, KEEP, KEEP, KEEP),
    "X/Z": (EMPTY, DUMMY, EMPTY, DROP),
    "X/D": (DUMMY, DUMMY, DUMMY, DROP),
    "Z/D": (DUMMY, DUMMY, EMPTY, EMPTY),
    "X/Z/D": (DUMMY, DUMMY, EMPTY, DROP),
    # References are never removed or emptied: with their UIDs replaced they tell nothing, and they have to hold.
    "X/Z/U*": (UID, UID, UID, UID),
}

# Where several columns of a row apply, the first of these decides: what moves goes before what keeps, or a calibration
# date that stayed (Device) beside dates that moved would tell the shift; otherwise the columns agree.
PRECEDENCE: Final = (
    Option.MODIFIED_DATES,
    Option.FULL_DATES,
    Option.UIDS,
    Option.DEVICE,
    Option.INSTITUTION,
    Option.GRAPHICS,
    Option.STRUCTURED_CONTENT,
    Option.DESCRIPTORS,
    Option.PATIENT_CHARACTERISTICS,
)
COLUMNS: Final[dict[Option, str]] = {
    Option.MODIFIED_DATES: "Modified Dates",
    Option.FULL_DATES: "Full Dates",
    Option.UIDS: "Retain UIDs",
    Option.DEVICE: "Retain Device Identity",
    Option.INSTITUTION: "Retain Institution Identity",
    Option.GRAPHICS: "Clean Graphics",
    Option.STRUCTURED_CONTENT: "Clean Structured Content",
    Option.DESCRIPTORS: "Clean Descriptors",
    Option.PATIENT_CHARACTERISTICS: "Retain Patient Characteristics",
}

UNKNOWN: Final = Rule(DROP, "X", "nobody defines it", (), frozenset(), DROP)
PRIVATE: Final = Rule(DROP, "X", "E.1-1 private attributes", (), frozenset(), DROP)


def rule(tag: int, act: Act, code: str, source: str, otherwise: Act = EMPTY) -> Rule:
    """A rule with what the data dictionary says of the attribute."""
    vrs = DICTIONARY.get(tag, ())
    accepted = frozenset(vr for vr in VRS if not vrs or compatible(vr, vrs))
    return Rule(act, code, source, vrs, accepted, otherwise, MULTIPLICITY.get(tag, 0))


def of_code(tag: int, code: str, source: str, demand: int = 0) -> Rule:
    """The rule of a Basic action code under Type `demand`, with what a sequence or a UID makes of it."""
    vrs, act = DICTIONARY.get(tag, ()), RESOLVED[code][demand]
    if b"SQ" in vrs:
        act = CODE if act is DUMMY and tag in reviewed.DUMMY_CODES else WALK if act in (DUMMY, UID, KEEP) else act
    elif b"UI" in vrs and act is DUMMY:
        act = UID
    return rule(tag, act, code, source, act)


def of_row(tag: int, row: AttributeRow, options: frozenset[Option], demand: int = 0) -> Rule:
    """A row of E.1-1: an option's column, where one applies, overrides the Basic action (E.1.1)."""
    if tag >> 16 in reviewed.NO_DATASET:
        return rule(tag, DROP, "X", "E.1-1, and no group of a dataset", DROP)
    basic = of_code(tag, row.basic, "E.1-1", demand)
    column = next((option for option in PRECEDENCE if option in options and option in row.options), None)
    if column is None:
        return cleaned_by_review(basic, tag, options)
    source = f"E.1-1 {COLUMNS[column]}"
    kind, code = basic.vrs[0], row.options[column]
    act = _retained(tag, kind, column) if code == "K" else _cleaned(tag, kind)
    if act is None:
        return basic
    return rule(tag, act, code, source, DUMMY if basic.act is DUMMY else EMPTY)


def cleaned_by_review(basic: Rule, tag: int, options: frozenset[Option]) -> Rule:
    """The rule of an attribute that an option cleans by review, not by a column."""
    option = reviewed.CLEANED.get(tag)
    if option not in options or basic.vrs[0] not in CLEANABLE:
        return basic
    return rule(tag, CLEAN, "C", f"reviewed: {option}", DUMMY if basic.act is DUMMY else EMPTY)


def _retained(tag: int, vr: bytes, column: Option) -> Act:
    """K by VR: sequences are walked (E.1.1), dates keep what is a date, ages over 89 do not stay."""
    if vr in MOMENTS:
        return DATE if column is Option.FULL_DATES and tag not in reviewed.PUBLIC_VERSIONS else VERSION
    return {b"SQ": WALK, b"AS": AGE, b"TM": TIME}.get(vr, KEEP)


def _cleaned(tag: int, vr: bytes) -> Act | None:
    """C by VR: dates move, text is read, sequences are walked, AE titles are hashed; None: there is no method."""
    if vr in MOMENTS:
        return VERSION if tag in reviewed.PUBLIC_VERSIONS else DATE
    if vr in CLEANABLE and tag != reviewed.TIMEZONE:
        return CLEAN
    return {b"SQ": WALK, b"AS": AGE, b"TM": TIME, b"AE": HASH}.get(vr)


def unlisted(tag: int, options: frozenset[Option]) -> Rule:
    """An attribute that no row lists: kept when the dictionary defines it and it is not free text."""
    vr, group = DICTIONARY[tag][0], tag >> 16
    if group in reviewed.DENIED_GROUPS or group & 0xFF00 in (0x5000, 0x6000) or group in (0xFFFA, 0xFFFC, 0xFFFE):
        return UNKNOWN
    if vr == b"SQ":
        return rule(tag, WALK, "K", "data dictionary")
    if vr == b"UI":
        kept = Option.UIDS in options
        act = KEEP if kept else CLASS_UID if tag in reviewed.CLASS_UIDS else UID
        return rule(tag, act, "U" if act is UID else "K", "data dictionary: UI")
    if vr in (b"DA", b"DT", b"TM"):
        source = f"data dictionary: {vr.decode()}"
        if not options & {Option.FULL_DATES, Option.MODIFIED_DATES}:
            return rule(tag, DUMMY, "D", source, DUMMY)
        return rule(tag, TIME if vr == b"TM" else DATE, "K" if Option.FULL_DATES in options else "C", source)
    free = vr in FREE_TEXT and tag not in reviewed.KEPT_TEXT
    bulk = vr in BULK and len(DICTIONARY[tag]) == 1 and tag not in reviewed.KEPT_BULK
    word = vr in (b"LO", b"SH") and any(word in KEYWORDS.get(tag, "") for word in reviewed.DENIED_WORDS)
    if (free or word) and vr in CLEANABLE and Option.DESCRIPTORS in options:
        return rule(tag, CLEAN, "C", "free text that no row lists")
    if free or bulk or word:
        return rule(tag, DROP, "X", "free text or opaque bytes that no row lists")
    return rule(tag, KEEP, "K", "data dictionary")
