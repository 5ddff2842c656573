"""How a project makes up participants: `{project}-{site:2}-{n:4}{check}` is text with fields in braces.

{project}    the project's name                 {digits:4}   random digits
{site:2}     the site, cut or filled with 0     {letters:3}  random letters, without I and O
{n:4}        a running number                   {mixed:5}    random letters and digits, without I, O, 0 and 1
{check}      a letter or digit by ISO/IEC 7064 MOD 37,36 of all before it; {check:10}: a digit of all digits
             before it by MOD 11,10
"""

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import Final

from shared.registry.check_characters import DIGITS, LETTERS_AND_DIGITS, check_character
from shared.registry.expressions import fits

FIELD: Final = re.compile(r"\{([a-z]+)(?::([0-9]{1,2}))?\}")
LITERAL: Final = re.compile(r"[^\\{}\x00-\x1f\x7f]*")
LONGEST: Final = 64
"""Of a participant: VR LO (PS3.5 §6.2)."""

CLEAR_LETTERS: Final = "".join(sorted(set(string.ascii_uppercase) - set("IO")))
RANDOM: Final = {
    "digits": DIGITS,
    "letters": CLEAR_LETTERS,
    "mixed": CLEAR_LETTERS + "23456789",
}
"""Random fields, and what they draw from."""

WIDTHS: Final = {"n": range(1, 13), "site": range(1, 17), **dict.fromkeys(RANDOM, range(1, 17))}
CHECKS: Final = {None: LETTERS_AND_DIGITS, 10: DIGITS}
Choose = Callable[[str], str]
"""Gives one character of an alphabet."""


class BadPattern(ValueError):
    """The pattern is none; says why."""


@dataclass(frozen=True)
class Part:
    """A field with its width, or (kind "") text."""

    kind: str
    width: int | None = None
    text: str = ""


@dataclass(frozen=True)
class AutoIdPattern:
    """A pattern that was understood."""

    parts: tuple[Part, ...]

    @property
    def last_number(self) -> int | None:
        """The highest running number; None: there is none in it."""
        widths = [part.width for part in self.parts if part.kind == "n"]
        return 10 ** (widths[0] or 1) - 1 if widths else None

    @property
    def needs_site(self) -> bool:
        """Whether the site is part of the name."""
        return any(part.kind == "site" for part in self.parts)

    def render(self, project: str, site: str, number: int, choose: Choose) -> str:
        """One name."""
        made = ""
        for part in self.parts:
            made += self._rendered(part, project, site, number, choose, made)
        return made

    @staticmethod
    def _rendered(part: Part, project: str, site: str, number: int, choose: Choose, before: str) -> str:
        match part:
            case Part(kind="", text=text):
                return text
            case Part(kind="project"):
                return project
            case Part(kind="site", width=width):
                return site if width is None else site[:width].rjust(width, "0")
            case Part(kind="n", width=width):
                return str(number).rjust(width or 1, "0")
            case Part(kind="check", width=width):
                return check_character(before, CHECKS[width])
            case Part(kind=kind, width=width):
                return "".join(choose(RANDOM[kind]) for _ in range(width or 1))


def parse(pattern: str) -> AutoIdPattern:
    """The pattern, or BadPattern."""
    parts = tuple(_parts(pattern))
    kinds = [part.kind for part in parts]
    if not {"n", *RANDOM} & set(kinds):
        raise BadPattern("it names everybody alike: it needs {n:4}, {digits:4}, {letters:3} or {mixed:5}")
    for kind in ("n", "check"):
        if kinds.count(kind) > 1:
            raise BadPattern(f"{{{kind}}} stands in it twice")
    if "check" in kinds and not {"n", *RANDOM} & set(kinds[: kinds.index("check")]):
        raise BadPattern("{check} checks what stands before it: put it last")
    return AutoIdPattern(parts)


def problem(pattern: str, project: str, participant_pattern: str) -> str | None:
    """Why a project cannot use a pattern; None: all names that were tried fit the project's own naming pattern.

    Where the site is in the name, those of one kind of site have to fit: which sites there are is not known yet.
    """
    try:
        parsed = parse(pattern)
    except BadPattern as bad:
        return str(bad)
    complaints = [_complaint(parsed, project, site, participant_pattern) for site in _sites(parsed)]
    return None if None in complaints else complaints[0]


def _sites(pattern: AutoIdPattern) -> tuple[str, ...]:
    return ("1", "01", "001", "A", "AB", "ABC", "ABCD", "ab", "North") if pattern.needs_site else ("",)


def _complaint(pattern: AutoIdPattern, project: str, site: str, participant_pattern: str) -> str | None:
    for name in samples(pattern, project, site):
        if len(name) > LONGEST:
            return f"it makes names of more than {LONGEST} characters"
        if name != name.strip():
            return "it makes names that begin or end with a space"
        if not fits(participant_pattern, name):
            return f"it makes {name}, which does not fit {participant_pattern}"
    return None


def samples(pattern: AutoIdPattern, project: str, site: str) -> Iterator[str]:
    """Names at both ends of every field, and as many between as make every check character come up."""
    last = pattern.last_number or 0
    yield pattern.render(project, site, min(1, last), itemgetter(0))
    yield pattern.render(project, site, last, itemgetter(-1))
    for seed in range(300):
        chance = Random(seed)  # noqa: S311 (the same names each time)
        yield pattern.render(project, site, chance.randint(min(1, last), last), chance.choice)


def _parts(pattern: str) -> Iterator[Part]:
    at = 0
    while at < len(pattern):
        if field := FIELD.match(pattern, at):
            yield _field(field[1], int(field[2]) if field[2] else None)
            at = field.end()
            continue
        text = LITERAL.match(pattern, at)
        if text is None or not text[0]:
            raise BadPattern(
                f"what stands at {at + 1} is no field: there are {{project}}, {{site}}, {{n}}, {{check}}, "
                + ", ".join(f"{{{kind}}}" for kind in RANDOM)
            )
        yield Part("", text=text[0])
        at = text.end()


def _field(kind: str, width: int | None) -> Part:
    if kind == "check" and width in CHECKS:
        return Part(kind, width)
    if kind == "check":
        raise BadPattern("{check} is a letter or digit, {check:10} a digit: there is no other")
    if (kind == "project" and width is None) or (kind == "site" and width is None):
        return Part(kind)
    if kind not in WIDTHS:
        raise BadPattern(f"there is no field {{{kind}}}" if kind != "project" else "{project} has no width")
    if (1 if width is None else width) not in WIDTHS[kind]:
        raise BadPattern(f"{{{kind}}} is 1 to {WIDTHS[kind][-1]} characters wide")
    return Part(kind, width or 1)
