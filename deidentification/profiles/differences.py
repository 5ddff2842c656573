"""What changes from one profile to another: attribute by attribute, and policy by policy."""

from dataclasses import dataclass
from typing import Any, Final

from deidentification.profiles.applied import applied
from deidentification.profiles.checking import written_tag
from deidentification.profiles.explaining import done
from deidentification.profiles.model import Profile
from deidentification.profiles.resolving import UNKNOWN
from deidentification.profiles.rules import DATE, Compiled, Rule

POLICIES: Final = ("options", "private", "drop", "only", "pixels", "documents", "dates", "uids")


@dataclass(frozen=True)
class Difference:
    """One change; `tag` None: a policy, whose name is in `keyword`."""

    keyword: str
    tag: int | None
    before: str
    after: str


def diff(old: Profile, new: Profile, sop_class: str = "") -> list[Difference]:
    """Every attribute that is treated differently for objects of `sop_class`, in tag order, then every policy."""
    before, after = (applied(profile, sop_class) for profile in (old, new))
    tags = sorted(before.rules.keys() | after.rules.keys())
    changes = []
    for tag in tags:
        was, is_now = ([rules.get(tag, UNKNOWN) for rules in (found.rules, found.nested)] for found in (before, after))
        if [_key(rule, before) for rule in was] != [_key(rule, after) for rule in is_now]:
            changes.append(Difference(written_tag(tag), tag, _side(old, was), _side(new, is_now)))
    return changes + [
        Difference(name, None, _policy(getattr(old, name)), _policy(getattr(new, name)))
        for name in POLICIES
        if getattr(old, name) != getattr(new, name)
    ]


def _told(profile: Profile, rule: Rule) -> str:
    pattern = getattr(rule.argument, "pattern", None)
    return done(rule, profile) + (f" {pattern!r}" if pattern and not rule.default else "")


def _key(rule: Rule, found: Compiled) -> tuple[object, ...]:
    """What decides the result; how far dates move is a policy of its own."""
    return rule.act, rule.argument, rule.default, rule.otherwise, rule.act is DATE and found.keeps_dates


def _side(profile: Profile, rules: list[Rule]) -> str:
    top, nested = (_told(profile, rule) for rule in rules)
    return top if top == nested else f"{top}; inside items {nested}"


def _policy(value: Any) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, tuple):
        return "; ".join(_words(entry.model_dump(mode="json", exclude_none=True)) for entry in value) or "none"
    return _words(value.model_dump(mode="json", exclude_none=True)) if hasattr(value, "model_dump") else str(value)


def _words(content: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in content.items() if value not in ([], None, ""))
