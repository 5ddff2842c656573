"""Regular expressions of a profile: checked so that no value can keep one busy.

The expressions are written by data managers and run on values of strangers. Backtracking explodes where something
repeated holds another choice of how often or which (`(a+)+`, `(a|ab)*`), or where many open repetitions follow one
another. So: short expressions, no such nesting, no back references, a bound on the number of ways an expression can
be matched, and only the first `LONGEST_VALUE` characters of a value are looked at: some seconds at the very worst.
"""

import re

# The parser that `re` itself uses: a tree is the only honest way to see what repeats what.
from re import _constants, _parser  # type: ignore[attr-defined, unused-ignore]
from typing import Any, Final

LONGEST_PATTERN: Final = 500
LONGEST_VALUE: Final = 128
MOST_WAYS: Final = (LONGEST_VALUE + 1) ** 3
REPEATS: Final = frozenset((_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT))
ASSERTIONS: Final = frozenset((_constants.ASSERT, _constants.ASSERT_NOT))
FORBIDDEN: Final = {
    _constants.GROUPREF: "back references are not supported",
    _constants.GROUPREF_EXISTS: "conditions on groups are not supported",
}


class _Fault(Exception):
    """Why an expression is refused."""


def problem(pattern: str, groups: bool = False) -> str | None:
    """What is wrong with an expression, None for a good one; with `groups` it must capture something."""
    if len(pattern) > LONGEST_PATTERN:
        return f"the expression is longer than {LONGEST_PATTERN} characters"
    try:
        found = re.compile(pattern)
        if _ways(_parser.parse(pattern), False) > MOST_WAYS:
            raise _Fault("too many open repetitions (*, +, {n,}): bound them, as in {1,16}")
    except (re.error, OverflowError, RecursionError) as wrong:
        return f"not a regular expression: {wrong}"
    except _Fault as fault:
        return str(fault)
    if groups and not found.groups:
        return "the expression captures nothing: put what should be left in parentheses"
    return None


def _ways(tree: Any, repeated: bool) -> int:
    """In how many ways the parts of an expression can share a value, at most."""
    ways = 1
    for kind, argument in tree:
        if kind in FORBIDDEN:
            raise _Fault(FORBIDDEN[kind])
        if kind in REPEATS:
            least, most, inner = argument
            if repeated and least != most:
                raise _Fault("a repetition inside a repetition can take forever: give the inner one a fixed count")
            ways *= (min(most, LONGEST_VALUE) - min(least, LONGEST_VALUE) + 1) * _ways(inner, repeated or most > 1)
        elif kind is _constants.BRANCH:
            if repeated:
                raise _Fault("a choice (|) inside a repetition can take forever: write the repetition without it")
            ways *= sum(_ways(branch, repeated) for branch in argument[1])
        elif kind is _constants.SUBPATTERN:
            ways *= _ways(argument[-1], repeated)
        elif kind in ASSERTIONS:
            ways *= _ways(argument[1], repeated)
        elif kind is _constants.ATOMIC_GROUP:
            ways *= _ways(argument, repeated)
    return ways


def found(pattern: re.Pattern[str], value: str) -> re.Match[str] | None:
    """Where the expression stands in the value's beginning."""
    return pattern.search(value[:LONGEST_VALUE])


def captured(pattern: re.Pattern[str], value: str) -> str | None:
    """The captured groups joined with a space; None when the expression does not match."""
    match = found(pattern, value)
    return None if match is None else " ".join(group for group in match.groups() if group)
