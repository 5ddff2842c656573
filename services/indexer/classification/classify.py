"""Which types an image is of, by the rules: a pure function of its header and its series JSON fields."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from services.indexer.classification.rules import Condition, NotReference, Operator, Reference, Rule, Rules, tag_number
from services.indexer.headers.header import Header
from services.indexer.headers.values import number, shown

ABSENT = object()


class Verdict(NamedTuple):
    """The types that an image is of, and the SeriesLevel types that it takes away from its series."""

    types: tuple[str, ...]
    refused: tuple[str, ...]


def classify(header: Header, fields: Mapping[str, Any], rules: Rules) -> Verdict:
    """Apply all rules in their order; `ClassifyType` in a condition means the types found before it."""
    types: list[str] = []
    refused: list[str] = []
    seen = dict(fields) | {"ClassifyType": types}
    for rule in rules.rules:
        if _holds(rule, header, seen, rules):
            if rule.type not in types:
                types.append(rule.type)
        elif rule.check == "SeriesLevel":
            refused.append(rule.type)
    return Verdict(tuple(each for each in types if each not in refused), tuple(dict.fromkeys(refused)))


def _holds(rule: Rule, header: Header, fields: Mapping[str, Any], rules: Rules) -> bool:
    for entry in rule.rules:
        if isinstance(entry, Reference):
            fulfilled = _holds(rules.by_id[entry.rule], header, fields, rules)
        elif isinstance(entry, NotReference):
            fulfilled = not _holds(rules.by_id[entry.notrule], header, fields, rules)
        else:
            fulfilled = _fulfilled(entry, header, fields)
        if not fulfilled:
            return False
    return True


def _fulfilled(condition: Condition, header: Header, fields: Mapping[str, Any]) -> bool:
    value = resolve(condition.tag, header, fields)
    against: Any = condition.value
    if condition.value_tag is not None:
        other = resolve(condition.value_tag, header, fields)
        against = condition.value if other is ABSENT else other
    return OPERATORS[condition.operator](value, against, condition) != (condition.negate == "yes")


def resolve(reference: tuple[str, ...], header: Header, fields: Mapping[str, Any]) -> Any:
    """What a tag stands for: an element, one value of it, or a field of the series JSON; else ABSENT."""
    tag = tag_number(reference)
    if tag is None or tag not in header:
        return fields.get(reference[0], ABSENT) if len(reference) == 1 else ABSENT
    value = header.value(tag)
    if len(reference) < 3:
        return value
    several = value if isinstance(value, list) else [value]
    index = int(reference[2], 0)
    return several[index] if -len(several) <= index < len(several) else ABSENT


def _text(value: Any) -> str:
    return "" if value is ABSENT else shown(value) if isinstance(value, list) else str("" if value is None else value)


@lru_cache(maxsize=1024)
def _pattern(expression: str) -> re.Pattern[str] | None:
    try:
        return re.compile(expression)
    except re.error:
        return None


def _regexp(value: Any, against: Any, _: Condition) -> bool:
    pattern = _pattern(_text(against))
    return pattern is not None and pattern.search(_text(value)) is not None


def _equal(value: Any, against: Any, _: Condition) -> bool:
    if value is ABSENT:
        return False
    left, right = number(value), number(against)
    return left == right if left is not None and right is not None else _text(value) == _text(against)


def _different(value: Any, against: Any, condition: Condition) -> bool:
    return value is not ABSENT and not _equal(value, against, condition)


def _less(value: Any, against: Any, _: Condition) -> bool:
    left, right = number(value), number(against)
    return left is not None and right is not None and left < right


def _greater(value: Any, against: Any, _: Condition) -> bool:
    left, right = number(value), number(against)
    return left is not None and right is not None and left > right


def _contains(value: Any, against: Any, _: Condition) -> bool:
    if value is ABSENT or value is None:
        return False
    wanted = [str(each) for each in (against if isinstance(against, list) else [against])]
    if isinstance(value, list):
        return set(wanted) <= {str(each) for each in value}
    return all(each in str(value) for each in wanted)


def _approx(value: Any, against: Any, condition: Condition) -> bool:
    left, right = (each if isinstance(each, list) else [each] for each in (value, against))
    pairs = [(number(a), number(b)) for a, b in zip(left, right, strict=False)]
    return len(left) == len(right) and all(
        a is not None and b is not None and abs(a - b) <= condition.approx_level for a, b in pairs
    )


OPERATORS: dict[Operator, Callable[[Any, Any, Condition], bool]] = {
    "regexp": _regexp,
    "==": _equal,
    "!=": _different,
    "<": _less,
    ">": _greater,
    "contains": _contains,
    "approx": _approx,
    "exist": lambda value, *_: value is not ABSENT,
    "notexist": lambda value, *_: value is ABSENT,
}
