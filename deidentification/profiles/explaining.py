"""What a profile does to one attribute, by which row or rule, as a sentence."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from deidentification.profiles import protected
from deidentification.profiles.applied import applied
from deidentification.profiles.checking import written_tag
from deidentification.profiles.compiled import rows
from deidentification.profiles.model import Profile
from deidentification.profiles.overrides import SOURCE
from deidentification.profiles.resolving import COLUMNS, PRIVATE, UNKNOWN
from deidentification.profiles.rules import Act, Rule
from deidentification.standard import reviewed, tables, types
from deidentification.standard.dictionary import DICTIONARY
from deidentification.standard.tables import Option

DONE: Final[dict[Act, str]] = {
    Act.KEEP: "stays as it is",
    Act.DROP: "is removed",
    Act.EMPTY: "stays without a value",
    Act.DUMMY: "gets a dummy value",
    Act.UID: "gets a UID of the project's own, the same wherever the old one stood",
    Act.CLASS_UID: "stays where it names a kind, and is replaced where it names a thing",
    Act.DATE: "is moved by the participant's days",
    Act.TIME: "stays when it is a time",
    Act.VERSION: "stays when it is a date",
    Act.WALK: "stays, and every item is treated by this profile",
    Act.CODE: "gets one dummy code",
    Act.REFUSE: "holds the object back, unless the profile says what becomes of documents",
    Act.REFUSE_YES: "holds the object back where it says YES and no pixel is cleaned; NO stays, other text does not",
    Act.REFUSE_BITS: "holds the object back where the overlay stands in the pixels; otherwise it is removed",
    Act.CLEAN: "loses every word that is not known to be harmless",
    Act.LITERAL: "is replaced by {argument!r}",
    Act.HASH: "is replaced by the project's keyed hash of it",
    Act.GROUPS: "keeps only what the expression captures",
    Act.AGE: "stays, but every age over 89 becomes 090Y",
}
# Repeating groups: no rule for each of them, none of them stays.
PICTURES: Final = {
    0x50: UNKNOWN._replace(source="PS3.15 E.1-1 Curve Data: X"),
    0x60: UNKNOWN._replace(source="PS3.15 E.1-1 Overlay Data: X"),
}
PIXEL_DATA: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
LOOKED_AT: Final = {
    "none": "No pixel is cleaned: ultrasound, secondary captures and screen saves are held in quarantine.",
    "suspect": "Burned-in text is hidden in ultrasound, secondary captures, screen saves and what says it has some.",
    "all": "Burned-in text is hidden in every image.",
}
MEANINGS: Final = {"K": "keep", "C": "clean", "U": "replace the UID"}


@dataclass(frozen=True)
class Explanation:
    """One attribute under a profile: act and code at the top level and inside items, and why.

    `type` and `nested_type` are '1', '2', '3' (1C counts as 1), or '' where the SOP class or the attribute in it is
    not known. `row` is the Standard's row ('' when there is none), `source` the column, review or override that
    decided.
    """

    tag: int
    keyword: str
    vr: str
    act: Act
    code: str
    source: str
    type: str
    nested_act: Act
    nested_code: str
    nested_source: str
    nested_type: str
    row: str
    sentence: str


def explain(profile: Profile, tag: int, sop_class: str = "") -> Explanation:
    """What happens to a public attribute of an object of `sop_class` ('' or unknown: what holds for every Type)."""
    found = applied(profile, sop_class)
    fallback = PRIVATE if tag >> 16 & 1 else PICTURES.get(tag >> 24, UNKNOWN)
    top, nested = found.rules.get(tag, fallback), found.nested.get(tag, fallback)
    demands = types.of_sop_class(sop_class)
    type_top, type_nested = str(demands.top.get(tag, "")), str(demands.nested.get(tag, ""))
    return Explanation(
        tag=tag,
        keyword=written_tag(tag),
        vr=" or ".join(vr.decode() for vr in DICTIONARY.get(tag, ())),
        act=top.act,
        code=top.code,
        source=top.source,
        type=type_top,
        nested_act=nested.act,
        nested_code=nested.code,
        nested_source=nested.source,
        nested_type=type_nested,
        row=_row(tag),
        sentence=_sentence(profile, tag, (top, type_top), (nested, type_nested)) + _pixels(profile, tag),
    )


def done(rule: Rule, profile: Profile) -> str:
    """What becomes of a value, without its subject: 'is removed'."""
    if rule.act is Act.DATE and Option.FULL_DATES in profile.options:
        return "stays when it is a date"
    if rule.act is Act.DATE and profile.dates.shift == "fixed":
        return f"is moved by {profile.dates.days} days"
    if rule.act is Act.UID and Option.UIDS in profile.options:
        return DONE[Act.KEEP]
    if rule.act is Act.HASH and isinstance(rule.argument, int):
        return f"is replaced by a keyed hash of {written_tag(rule.argument)}"
    if rule.act is Act.GROUPS and rule.default:
        return f"stays when it is a term that the Standard defines, otherwise it becomes {rule.default}"
    if rule.act is Act.CLEAN and rule.vrs[:1] == (b"CS",):
        return "stays when it is one of its defined terms"
    return DONE[rule.act].format(argument=rule.argument)


def _sentence(profile: Profile, tag: int, top: tuple[Rule, str], nested: tuple[Rule, str]) -> str:
    if protected.PROTECTED.get(tag) == protected.CARRIER:
        return (
            f"{written_tag(tag)} carries the new identity; inside items it {done(nested[0], profile)} "
            f"({_because(tag, *nested)})."
        )
    first = f"{written_tag(tag)} {done(top[0], profile)} ({_because(tag, *top)})"
    if _same(top[0], nested[0]):
        return f"{first}."
    return f"{first}; inside items it {done(nested[0], profile)} ({_because(tag, *nested)})."


def _pixels(profile: Profile, tag: int) -> str:
    """What the pixel policy adds to the rule of pixel data; elsewhere nothing."""
    if tag not in PIXEL_DATA:
        return ""
    policy = profile.pixels
    said = (
        "Suspect images pass unread." if policy.suspects_pass and policy.images == "none" else LOOKED_AT[policy.images]
    )
    masked = f" Device masks are filled: {len(policy.masks)}." if policy.masks else ""
    return f" {said}{masked}"


def _same(one: Rule, other: Rule) -> bool:
    return (one.act, one.code, one.argument, one.source) == (other.act, other.code, other.argument, other.source)


def _because(tag: int, rule: Rule, demand: str) -> str:
    if rule.source == SOURCE:
        return "the project's own rule"
    if rule.source.startswith("E.1-1 ") and tag in rows():
        return f"PS3.15 {rule.source}: {rule.code}, {MEANINGS.get(rule.code, rule.code)}"
    if rule.source == "E.1-1" and tag in rows():
        return f"PS3.15 E.1-1 Basic: {rule.code}" + (f", Type {demand} here" if demand and "/" in rule.code else "")
    if tag in reviewed.ADDED and rule.source == "reviewed":
        return "not in E.1-1, and reviewed: it may identify"
    return rule.source


@lru_cache(maxsize=1024)
def _row(tag: int) -> str:
    """The row of E.1-1 in words: name, Basic action and every option's column."""
    row = rows().get(tag)
    if row is None:
        return ""
    columns = [f"{COLUMNS[option]} {code}" for option, code in row.options.items() if option in COLUMNS]
    return f"E.1-1 ({tables.edition()}) {row.name}: " + ", ".join([f"Basic {row.basic}", *columns])
