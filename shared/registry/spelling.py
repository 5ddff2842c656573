"""A naming pattern for people: in words, and a name that fits it."""

import warnings

# The parser that `re` itself uses: a tree is the only honest way to see what an expression asks for.
from re import _constants as c  # type: ignore[attr-defined, unused-ignore]
from re import _parser  # type: ignore[attr-defined, unused-ignore]
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any, Final

from shared.registry.expressions import fits

LONGEST: Final = 64
POOL: Final = "0" + digits[1:] + ascii_uppercase + ascii_lowercase + "-_. ÆØÅæøå"
CATEGORIES: Final = {
    c.CATEGORY_DIGIT: (digits, "digit"),
    c.CATEGORY_NOT_DIGIT: ("A-", "character that is no digit"),
    c.CATEGORY_WORD: ("0A", "letter, digit or _"),
    c.CATEGORY_NOT_WORD: ("-", "character that is no letter, digit or _"),
    c.CATEGORY_SPACE: (" ", "space"),
    c.CATEGORY_NOT_SPACE: ("0A", "character that is no space"),
}
RANGES: Final = {("0", "9"): "digit", ("A", "Z"): "capital letter", ("a", "z"): "small letter"}
REPEATS: Final = (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT)


class _Beyond(Exception):
    """Words fail, or the example grows too long."""


def example(expression: str) -> str | None:
    """A name that fits, tried before it is given; None: none was found that is short enough."""
    try:
        tree = _parsed(expression)
        for least in (0, 1):
            made = _made(tree, least)
            if made == made.strip() and made and fits(expression, made):
                return made
    except (c.error, OverflowError, RecursionError, _Beyond):
        pass
    return None


def in_words(expression: str) -> str | None:
    """What a name consists of: `"ABCD-", then 4 digits`; None: words fail."""
    try:
        return _joined(_parsed(expression))
    except (c.error, OverflowError, RecursionError, _Beyond):
        return None


def explained(expression: str, given: str = "") -> str:
    """The pattern in words where they do not fail, the expression itself, and an example: `given` if it fits."""
    words, such = in_words(expression), given if given and fits(expression, given) else example(expression)
    text = f"a name is {words} ({expression})" if words else f"the whole name has to fit {expression}"
    return f"{text}, for example {such}" if such else text


def _parsed(expression: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # what Python may read otherwise one day
        return _parser.parse(expression)


def _made(tree: Any, least: int, room: int = LONGEST) -> str:
    made = ""
    for kind, argument in tree:
        if kind in REPEATS:
            count = min(max(argument[0], least), argument[1])
            part = ""
            for number in range(count):
                part += _one(argument[2], least, room - len(made) - len(part), last=number == count - 1)
        else:
            part = _one([(kind, argument)], least, room - len(made), last=True)
        made += part
        if len(made) > room:
            raise _Beyond
    return made


def _one(tree: Any, least: int, room: int, last: bool) -> str:
    """One time what is repeated: numbers begin with zeros and end with a 1."""
    if room < 0:
        raise _Beyond
    if len(tree) == 1 and tree[0][0] in (c.IN, c.LITERAL, c.NOT_LITERAL, c.ANY):
        kind, argument = tree[0]
        wanted = ("1" if last else "0") + POOL
        return next((each for each in wanted if _takes(kind, argument, each)), "") or _literal(kind, argument)
    made = ""
    for kind, argument in tree:
        match kind:
            case c.BRANCH:
                made += _made(argument[1][0], least, room)
            case c.SUBPATTERN:
                made += _made(argument[-1], least, room)
            case c.AT:
                pass
            case _ if kind in REPEATS or kind in (c.IN, c.LITERAL, c.NOT_LITERAL, c.ANY):
                made += _made([(kind, argument)], least, room)
            case _:
                raise _Beyond
    return made


def _literal(kind: Any, argument: Any) -> str:
    """A character that the pool has not."""
    if kind is c.LITERAL:
        return chr(argument)
    if kind is c.IN:
        for what, value in argument:
            if what in (c.LITERAL, c.RANGE):
                return chr(value if what is c.LITERAL else value[0])
    raise _Beyond


def _takes(kind: Any, argument: Any, character: str) -> bool:
    code = ord(character)
    match kind:
        case c.LITERAL:
            return bool(code == argument)
        case c.NOT_LITERAL:
            return bool(code != argument)
        case c.ANY:
            return True
        case c.RANGE:
            return bool(argument[0] <= code <= argument[1])
        case c.CATEGORY:
            return character in CATEGORIES[argument][0]
    negated = argument[0][0] is c.NEGATE
    return negated != any(_takes(what, value, character) for what, value in argument[negated:])


def _joined(tree: Any) -> str:
    parts: list[str] = []
    literal = ""
    for kind, argument in tree:
        if kind is c.LITERAL:
            literal += chr(argument)
            continue
        if literal:
            parts, literal = [*parts, f'"{literal}"'], ""
        if kind is not c.AT:
            parts.append(_words(kind, argument))
    return ", then ".join([*parts, f'"{literal}"'] if literal else parts)


def _words(kind: Any, argument: Any, many: bool = False) -> str:
    """A part in words; `many`: a number stands before it."""
    ending = "s" if many else ""
    if kind in REPEATS:
        return _repeated(*argument)
    match kind:
        case c.BRANCH:
            return "either " + " or ".join(_joined(each) for each in argument[1])
        case c.SUBPATTERN:
            return _joined(argument[-1])
        case c.ANY:
            return f"character{ending}" if many else "any character"
        case c.IN:
            named = " or ".join(_class(what, value, ending) for what, value in argument)
            noun = all(what is c.CATEGORY or (what is c.RANGE and _ends(value) in RANGES) for what, value in argument)
            return (named if many else f"a {named}") if noun else (f"of {named}" if many else f"one of {named}")
        case c.LITERAL:
            return f'"{chr(argument)}"'
    raise _Beyond


def _class(kind: Any, argument: Any, ending: str) -> str:
    match kind:
        case c.LITERAL:
            return f'"{chr(argument)}"'
        case c.CATEGORY if argument in CATEGORIES:
            noun, _, rest = CATEGORIES[argument][1].partition(" ")
            return f"{noun}{ending} {rest}".strip() if not noun.endswith(",") else CATEGORIES[argument][1]
        case c.RANGE:
            ends = _ends(argument)
            if ends not in RANGES:
                return " to ".join(ends)
            adjective, _, noun = RANGES[ends].rpartition(" ")
            return f"{adjective} {noun}{ending}".strip()
    raise _Beyond


def _ends(codes: tuple[int, int]) -> tuple[str, str]:
    return chr(codes[0]), chr(codes[1])


def _repeated(least: int, most: int, tree: Any) -> str:
    if len(tree) != 1 or tree[0][0] is c.SUBPATTERN:
        what = many = f"({_joined(tree)})"
    else:
        kind, argument = tree[0]
        what, many = _words(kind, argument), _words(kind, argument, many=True)
    if (least, most) == (0, 1):
        return f"perhaps {what}"
    if least == most:
        return f"{least} {many}"
    if most == c.MAXREPEAT:
        return f"{least} or more {many}" if least else f"any number of {many}"
    return f"{least} to {most} {many}"
