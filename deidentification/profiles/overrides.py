"""What a project wants differently, attribute by attribute: whether it may, and the rule that it stands for."""

import re
from collections.abc import Callable, Mapping
from string import Formatter
from typing import Final

from deidentification.dataset import dates
from deidentification.dataset.values import CHECKS
from deidentification.profiles import patterns, protected
from deidentification.profiles.model import Clean, Empty, Groups, Hash, Keep, Override, Remove, Replace
from deidentification.profiles.resolving import CLEANABLE, rule
from deidentification.profiles.rules import (
    AGE,
    CLEAN,
    DATE,
    DROP,
    EMPTY,
    GROUPS,
    HASH,
    KEEP,
    LITERAL,
    TIME,
    VERSION,
    WALK,
    Act,
    Rule,
)
from deidentification.standard import reviewed, types
from deidentification.standard.dictionary import BULK, DICTIONARY

SOURCE: Final = "profile"
FIELDS: Final = frozenset(("project", "participant", "event"))
HASHED: Final = frozenset((0x00080018, 0x0020000D, 0x0020000E))
LONGEST: Final[dict[bytes, int]] = {
    b"AE": 16, b"CS": 16, b"SH": 16, b"LO": 64, b"PN": 64, b"ST": 1024, b"LT": 1024, b"UC": 1024, b"UT": 1024,
    b"UR": 1024, b"DS": 16, b"IS": 12, b"AS": 4, b"DA": 8, b"DT": 26, b"TM": 14,
}  # fmt: skip
SHAPES: Final[Mapping[bytes, Callable[[bytes], object]]] = {
    **{vr: CHECKS[vr] for vr in (b"DS", b"IS", b"AS", b"CS")},
    b"DA": lambda value: dates.shift(value, 0, b"DA"),
    b"DT": lambda value: dates.shift(value, 0, b"DT"),
    b"TM": dates.is_time,
}
TEXT: Final = CLEANABLE | {b"AE", b"PN"}
KEPT: Final[dict[bytes, Act]] = {b"SQ": WALK, b"TM": TIME, b"DA": VERSION, b"DT": VERSION, b"AS": AGE}
CLEANED: Final[dict[bytes, Act]] = {
    **dict.fromkeys(CLEANABLE, CLEAN), b"SQ": WALK, b"TM": TIME, b"DA": DATE, b"DT": DATE, b"AS": AGE, b"AE": HASH,
}  # fmt: skip
DEFINED_PARTS: Final = re.compile(r"^\s*(" + "|".join(types.body_parts()) + r")\s*$", re.IGNORECASE)
UNKNOWN_PART: Final = "BODYPART"


def of_override(override: Override) -> Rule:
    """The rule that an override stands for; one in which `problem` finds nothing."""
    tag, action = override.tag, override.action
    vr = DICTIONARY.get(tag, (b"UN",))[0]
    match action:
        case Keep():
            return rule(tag, KEPT.get(vr, KEEP), "K", SOURCE)
        case Remove():
            return rule(tag, DROP, "X", SOURCE, DROP)
        case Empty():
            return rule(tag, EMPTY, "Z", SOURCE)
        case Hash():
            return rule(tag, HASH, "D", SOURCE)._replace(argument=action.of)
        case Replace():
            return rule(tag, LITERAL, "D", SOURCE)._replace(argument=action.value)
        case Groups():
            return rule(tag, GROUPS, "C", SOURCE)._replace(argument=re.compile(action.pattern))
        case Clean() if tag == reviewed.BODY_PART:
            return rule(tag, GROUPS, "C", SOURCE)._replace(argument=DEFINED_PARTS, default=UNKNOWN_PART)
        case Clean():
            return rule(tag, CLEANED[vr], "C", SOURCE)


def problem(override: Override) -> str | None:
    """Why an override may not be; None when it may."""
    tag, action = override.tag, override.action
    reason = protected.why(tag)
    if reason:
        return f"may not be overridden: {reason}"
    if isinstance(action, Remove):
        return None
    if tag not in DICTIONARY:
        return "the data dictionary does not know this attribute: it is removed"
    vr = DICTIONARY[tag][0]
    if vr == b"UI" and not isinstance(action, Empty):
        return "UIDs are replaced everywhere or nowhere: see `uids` and the option retain-uids"
    match action:
        case Keep():
            return _keep(tag, vr)
        case Clean():
            return (
                None if vr in CLEANED else f"there is no way to clean {_named(vr)}: keep, remove, empty or replace it"
            )
        case Hash():
            if vr not in TEXT:
                return f"a hash is text, and this is {_named(vr)}"
            return None if action.of is None or action.of in HASHED else "only a study, series or instance UID"
        case Groups():
            if vr not in CLEANABLE | {b"AE", b"DS", b"IS"}:
                return f"an expression reads text, and this is {_named(vr)}"
            return patterns.problem(action.pattern, groups=True)
        case Replace():
            return _literal(action.value, vr)
    return None


def _named(vr: bytes) -> str:
    return {b"SQ": "a sequence", b"PN": "a person's name"}.get(vr, f"a value of VR {vr.decode()}")


def _keep(tag: int, vr: bytes) -> str | None:
    if vr == b"PN":
        return "a person's name is not kept: remove, empty, replace or hash it"
    if tag in protected.DIRECT:
        return "it identifies a person directly, and is not kept: clean, empty, replace or remove it"
    if vr in BULK and tag not in reviewed.KEPT_BULK:
        return "opaque bytes are not kept: nothing can look into them"
    return None


def _literal(template: str, vr: bytes) -> str | None:
    """Whether a literal or a template is a value of the VR; a field counts as one character at least."""
    if vr not in LONGEST:
        return f"{_named(vr)} cannot be replaced by a text"
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        return "braces do not match: a field is written {project}, {participant} or {event}, a brace {{ or }}"
    fields = [name for _, name, _, _ in parts if name is not None]
    if set(fields) - FIELDS or any(spec or conversion for _, _, spec, conversion in parts):
        return "only {project}, {participant} and {event} can be filled in"
    if fields and vr not in TEXT:
        return f"a template fits text only, and this is {_named(vr)}"
    value = template.format_map(dict.fromkeys(FIELDS, "X"))
    if not value:
        return "an empty value is written as `empty`"
    if not value.isascii() or not value.isprintable() or "\\" in value:
        return "only printable ASCII without a backslash fits every file"
    if len(value) > LONGEST[vr]:
        return f"longer than the {LONGEST[vr]} characters of VR {vr.decode()}"
    shape = SHAPES.get(vr)
    return None if shape is None or shape(value.encode()) else f"not a value of VR {vr.decode()}"
