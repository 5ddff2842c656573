"""A profile: the Basic Profile of PS3.15 with options, compiled to one rule per attribute."""

import hashlib
import json
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from deidentification.dataset.encoding import LONG_VRS, SHORT_VRS
from deidentification.profiles.model import Profile
from deidentification.standard import reviewed, tables
from deidentification.standard.dictionary import (
    BULK,
    DICTIONARY,
    FREE_TEXT,
    KEYWORDS,
    MULTIPLICITY,
    compatible,
)
from deidentification.standard.tables import Option

ENGINE_VERSION: Final = "1"
VRS: Final = LONG_VRS | SHORT_VRS


class Act(IntEnum):
    """What the engine does with one element."""

    KEEP = 0
    DROP = 1
    EMPTY = 2
    DUMMY = 3
    UID = 4
    CLASS_UID = 5
    DATE = 6
    TIME = 7
    VERSION = 8
    WALK = 9
    CODE = 10
    REFUSE = 11
    REFUSE_YES = 12
    REFUSE_BITS = 13


# Members as plain names: attribute access on an Enum is slow where it happens for every element.
KEEP, DROP, EMPTY, DUMMY, UID, CLASS_UID, DATE, TIME, VERSION, WALK, CODE, REFUSE, REFUSE_YES, REFUSE_BITS = Act


class Rule(NamedTuple):
    """One attribute's rule: the act, the action code that it stands for, and where it comes from.

    `vrs` are the dictionary's, `accepted` those a file may write; `otherwise` is for values that do not parse;
    `most` is how many values the dictionary's VM allows, 0 for any number.
    """

    act: Act
    code: str
    source: str
    vrs: tuple[bytes, ...]
    accepted: frozenset[bytes]
    otherwise: Act
    most: int = 0


# Conditional actions (E.1-1a) depend on the attribute's Type in the IOD. What holds for every Type is chosen:
# an empty value where Z may be required, a dummy where D may be required.
RESOLVED: Final[dict[str, Act]] = {
    "X": DROP,
    "Z": EMPTY,
    "X/Z": EMPTY,
    "D": DUMMY,
    "Z/D": DUMMY,
    "X/D": DUMMY,
    "X/Z/D": DUMMY,
    "U": UID,
    "X/Z/U*": UID,
    "K": KEEP,
}
SEQUENCE_ACTS: Final[dict[str, Act]] = {"X": DROP, "Z": EMPTY, "walk": WALK, "code": CODE}

# CID 7050: the codes of the profile and of its options.
BASIC_CODE: Final = ("113100", "Basic Application Confidentiality Profile")
OPTION_CODES: Final[dict[Option, tuple[str, str]]] = {
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}


def profile_codes(profile: Profile) -> tuple[tuple[str, str], ...]:
    """The codes of CID 7050 that say what was done."""
    return (BASIC_CODE, *(OPTION_CODES[option] for option in sorted(profile.options)))


def profile_method(profile: Profile) -> tuple[str, ...]:
    """Values of De-identification Method (0012,0063), each within 64 characters."""
    return (f"FIONA {profile.name} {profile.version}"[:64], f"PS3.15 {tables.edition()} Basic Profile")


def digest(profile: Profile) -> str:
    """SHA-256 over everything that decides the result: engine, edition, options and every rule."""
    rules = {f"{tag:08X}": rule[:3] for tag, rule in sorted(compiled(profile).rules.items())}
    content = [ENGINE_VERSION, tables.edition(), profile.name, profile.version, sorted(profile.options), rules]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def explain(profile: Profile, tag: int) -> "Rule":
    """What happens to a public attribute, and by which row or rule."""
    return compiled(profile).rules.get(tag, UNKNOWN)


class Compiled(NamedTuple):
    """A profile ready to apply: public rules, safe private elements, structured-report concepts to remove."""

    rules: dict[int, Rule]
    private: dict[tuple[int, int, bytes], bytes]
    removed_concepts: frozenset[tuple[bytes, bytes]]
    modified_dates: bool


UNKNOWN: Final = Rule(DROP, "X", "nobody defines it", (), frozenset(), DROP)
PRIVATE: Final = Rule(DROP, "X", "E.1-1 private attributes", (), frozenset(), DROP)


@lru_cache(maxsize=16)
def compiled(profile: Profile, sop_class: bytes = b"") -> Compiled:
    """One rule for every attribute that the table, the review or the data dictionary knows."""
    known = {tag: _default(tag) for tag in DICTIONARY}
    known |= {tag: _listed(tag, code, "reviewed", KEEP) for tag, code in reviewed.ADDED.items()}
    for row in tables.attributes():
        if "x" not in row.tag and "g" not in row.tag:
            tag = int(row.tag, 16)
            known[tag] = _from_row(tag, row, profile.options)
    known |= {tag: _rule(tag, REFUSE_YES, code, "reviewed", RESOLVED[code])
              for tag, code in reviewed.BURNED_IN.items()}  # fmt: skip
    known |= {tag: _rule(tag, REFUSE_BITS, "X", "E.1-1 overlays", DROP)
              for tag in reviewed.OVERLAY_BITS_ALLOCATED}  # fmt: skip
    known[reviewed.ENCAPSULATED_DOCUMENT] = _rule(reviewed.ENCAPSULATED_DOCUMENT, REFUSE, "D", "E.1-1", DROP)
    safe = tables.safe_private() if Option.SAFE_PRIVATE in profile.options else ()
    return Compiled(
        rules={tag: rule for tag, rule in known.items() if tag & 0xFFFF and rule is not UNKNOWN},
        private={(row.group, row.element, row.creator.encode()): row.vr.encode() for row in safe},
        removed_concepts=frozenset(
            (row.code.encode(), row.scheme.encode())
            for row in tables.concepts()
            if row.basic == "X" and not profile.options & row.options.keys()
        ),
        modified_dates=Option.MODIFIED_DATES in profile.options,
    )


def _rule(tag: int, act: Act, code: str, source: str, otherwise: Act = EMPTY) -> Rule:
    vrs = DICTIONARY.get(tag, ())
    accepted = frozenset(vr for vr in VRS if not vrs or compatible(vr, vrs))
    return Rule(act, code, source, vrs, accepted, otherwise, MULTIPLICITY.get(tag, 0))


def _listed(tag: int, code: str, source: str, retained: Act) -> Rule:
    """The rule of an action code, with what a sequence or a UID makes of it."""
    vrs = DICTIONARY.get(tag, ())
    act = retained if code == "K" else RESOLVED[code]
    if b"SQ" in vrs:
        chosen = reviewed.SEQUENCES.get(tag)
        act = SEQUENCE_ACTS[chosen] if chosen else WALK if act in (DUMMY, UID, KEEP) else act
    elif b"UI" in vrs and act is DUMMY:
        act = UID
    return _rule(tag, act, code, source, act)


def _from_row(tag: int, row: tables.AttributeRow, options: frozenset[Option]) -> Rule:
    """A row of E.1-1: an option's column, where one applies, overrides the Basic action (E.1.1)."""
    basic = _listed(tag, row.basic, "E.1-1", KEEP)
    if Option.MODIFIED_DATES in options and Option.MODIFIED_DATES in row.options:
        source, kind = "E.1-1 Modified Dates", basic.vrs[:1]
        otherwise = DUMMY if basic.act is DUMMY else EMPTY
        if tag in reviewed.PUBLIC_VERSIONS:
            return _rule(tag, VERSION, "C", source, otherwise)
        if kind in ((b"DA",), (b"DT",)):
            return _rule(tag, DATE, "C", source, otherwise)
        if kind == (b"TM",):
            return _rule(tag, TIME, "C", source, otherwise)
    return basic


def _default(tag: int) -> Rule:
    """An attribute that no row lists: kept when the dictionary defines it and it is not free text."""
    vr = DICTIONARY[tag][0]
    group = tag >> 16
    if group in reviewed.DENIED_GROUPS or group & 0xFF00 in (0x5000, 0x6000) or group in (0xFFFA, 0xFFFC, 0xFFFE):
        return UNKNOWN
    if vr == b"SQ":
        return _rule(tag, WALK, "K", "data dictionary")
    if vr == b"UI":
        act = CLASS_UID if tag in reviewed.CLASS_UIDS else UID
        return _rule(tag, act, "K" if act is CLASS_UID else "U", "data dictionary: UI")
    if vr in (b"DA", b"DT", b"TM"):
        return _rule(tag, TIME if vr == b"TM" else DATE, "C", f"data dictionary: {vr.decode()}")
    free = vr in FREE_TEXT and tag not in reviewed.KEPT_TEXT
    bulk = DICTIONARY[tag][0] in BULK and len(DICTIONARY[tag]) == 1 and tag not in reviewed.KEPT_BULK
    word = vr in (b"LO", b"SH") and any(word in KEYWORDS.get(tag, "") for word in reviewed.DENIED_WORDS)
    if free or bulk or word:
        return _rule(tag, DROP, "X", "free text or opaque bytes that no row lists")
    return _rule(tag, KEEP, "K", "data dictionary")
