"""Rules that hold only inside certain sequences: report trees, drawings, waveform annotations."""

from functools import lru_cache
from typing import NamedTuple

from deidentification.content import codes, short_texts, sr
from deidentification.profiles.compiled import compiled
from deidentification.profiles.model import Profile
from deidentification.profiles.rules import CLEAN, DROP, DUMMY, KEEP, WALK, Compiled, Rule

GRAPHIC_ANNOTATIONS, WAVEFORM_ANNOTATIONS, UNFORMATTED_TEXT = 0x00700001, 0x0040B020, 0x00700006
Rules = dict[int, Rule]


class Applied(NamedTuple):
    """A compiled profile with what content asks for: at the top level, inside items, inside certain sequences."""

    profile: Compiled
    rules: Rules
    nested: Rules
    within: dict[int, Rules]


@lru_cache(maxsize=16)
def applied(profile: Profile, sop_class: bytes) -> Applied:
    """The rules for objects of one SOP class."""
    rules = compiled(profile, sop_class)
    nested = refined(rules.nested, rules)
    return Applied(rules, without_codes(refined(rules.rules, rules)), nested, within(nested, rules))


def without_codes(rules: Rules) -> Rules:
    """Coded entries stand in items: at the top level nothing tells what is coded there, so it goes."""
    stray = {tag: rules[tag] for tag in codes.ENTRY if tag in rules and codes.is_ours(rules[tag])}
    return rules | {tag: rule._replace(act=DROP, code="X") for tag, rule in stray.items()}


def refined(rules: Rules, profile: Compiled) -> Rules:
    """A compiled profile's rules for the top level or for items, with what content asks for."""
    better = short_texts.refined(rules)
    drawings = better.get(GRAPHIC_ANNOTATIONS)
    if drawings and drawings.act is WALK and not profile.graphics and GRAPHIC_ANNOTATIONS not in overridden(profile):
        better[GRAPHIC_ANNOTATIONS] = drawings._replace(act=DROP, code="X")
    return better


def within(nested: Rules, profile: Compiled) -> dict[int, Rules]:
    """Sequence -> the rules of everything inside it, at any depth."""
    scopes: dict[int, Rules] = {}
    own = overridden(profile)
    if sr.TEXT_VALUE in nested and sr.settles_text(profile):
        # Its bytes stay until the item's concept is known: `sr.settled` decides.
        kept = nested[sr.TEXT_VALUE]._replace(act=KEEP, code="C" if profile.structured else "D", most=0)
        scopes[sr.CONTENT_SEQUENCE] = nested | {sr.TEXT_VALUE: kept}
    for sequence, cleans in ((GRAPHIC_ANNOTATIONS, profile.graphics), (WAVEFORM_ANNOTATIONS, profile.structured)):
        if cleans and UNFORMATTED_TEXT in nested and UNFORMATTED_TEXT not in own:
            text = nested[UNFORMATTED_TEXT]._replace(act=CLEAN, code="C", otherwise=DUMMY)
            scopes[sequence] = nested | {UNFORMATTED_TEXT: text}
    return scopes


def overridden(profile: Compiled) -> frozenset[int]:
    """Attributes that the project decides itself."""
    return frozenset(override.tag for override in profile.profile.attributes)
