"""Dates in text: recognised in their usual forms, moved in the same form, or removed."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from deidentification.text.months import MONTH, renamed

_YEAR = r"(?P<year>(?:1[89]|2[01])\d\d)"
_DAY, _MONTH = r"(?P<day>0?[1-9]|[12]\d|3[01])", r"(?P<month>0?[1-9]|1[0-2])"
_BEFORE, _AFTER = r"(?<![^\W_])(?<!\d[./:\-])", r"(?![^\W_])(?![./\-]\d)"
_CLOCK = r"(?:[T ]?(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
_NAME = rf"(?P<name>{MONTH})"

# Whole dates, by the form they are written in.
YEAR_FIRST: Final = re.compile(rf"{_BEFORE}{_YEAR}(?P<join>[-./]){_MONTH}(?P=join){_DAY}{_CLOCK}{_AFTER}")
YEAR_LAST: Final = re.compile(
    rf"{_BEFORE}(?P<first>\d\d?)(?P<join>[-./])(?P<second>\d\d?)(?P=join){_YEAR}{_CLOCK}{_AFTER}"
)
COMPACT: Final = re.compile(rf"(?<![^\W_]){_YEAR}(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?![^\W_])")
DAY_NAME_YEAR: Final = re.compile(
    rf"{_BEFORE}{_DAY}(?P<one>\.?[ \-]?){_NAME}(?P<two>\.?[ \-,]{{1,2}}|){_YEAR}(?![^\W_])", re.IGNORECASE
)
NAME_DAY_YEAR: Final = re.compile(
    rf"(?<![^\W_]){_NAME}(?P<one>\.?[ \-]){_DAY}(?P<two>(?:st|nd|rd|th)?[ ,\-]{{1,2}}){_YEAR}(?![^\W_])", re.IGNORECASE
)
# Parts of dates: they cannot be moved exactly.
PARTIAL: Final = re.compile(
    rf"{_BEFORE}(?:"
    rf"\d\d?\.?[ \-]?{MONTH}(?:\.?[ \-,'’]{{0,2}}(?:\d\d)?\d\d)?(?![^\W_])"
    rf"|{MONTH}\.?[ \-,'’]{{1,2}}\d{{1,4}}(?:st|nd|rd|th)?(?:[ ,]{{1,2}}(?:\d\d)?\d\d)?(?![^\W_])"
    r"|(?:0?[1-9]|1[0-2])[./\-](?:19|20)\d\d(?![^\W_])"
    r"|(?:19|20)\d\d[./\-](?:0?[1-9]|1[0-2])(?![^\W_])"
    r"|\d\d?(?P<same>[./\-])\d\d?(?P=same)(?:\d{2}|\d{4})(?![^\W_])"
    r"|\d{4}(?P<again>[./\-])\d\d?(?P=again)\d\d?(?![^\W_])"
    r"|(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?![^\W_])"
    r")",
    re.IGNORECASE,
)

_JOINT = r"(\ ?[./\-_,:|+x×'’]\ ?|\ )"
# Three numbers with anything between them that is written between the parts of a date.
TRIPLE: Final = re.compile(
    rf"(?<!\d)(?<!\d[.,])([0-9]{{4}}|[0-9]{{1,2}}){_JOINT}([0-9]{{1,2}}){_JOINT}([0-9]{{4}}|[0-9]{{1,2}})(?!\d)(?![.,]\d)",
    re.IGNORECASE,
)
YEARS: Final = re.compile(r"(?:1[89]|2[01])\d\d")
# The month in Roman numerals; a lone X between spaces is a size.
ROMAN: Final = re.compile(
    r"(?<![^\W_])(?:0?[1-9]|[12]\d|3[01])(?:\.?[ ./\-_]|\.)(?:I{1,3}|I?V|VI{1,3}|IX|XI{1,2}|(?<! )X(?! ))"
    r"[ ./\-_'’]{1,2}(?:\d{4}|\d\d)(?![^\W_])"
)

Replace = Callable[[str], str]


def _shifted(year: str, month: str | int, day: str, days: int, hidden: frozenset[str]) -> date | None:
    try:
        found = date(int(year), int(month), int(day))
        return None if f"{found:%Y%m%d}" in hidden else found + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def _wide(number: int, *like: str) -> str:
    """With a leading zero where numbers beside it are written with two digits."""
    return f"{number:0{min(map(len, like))}d}"


def _day(number: int, like: str) -> str:
    """Beside the name of a month a day has a leading zero only when it had one."""
    return f"{number:02d}" if like.startswith("0") else f"{number}"


def _year_first(match: re.Match[str], days: int, hidden: frozenset[str]) -> str | None:
    moved = _shifted(match["year"], match["month"], match["day"], days, hidden)
    if moved is None:
        return None
    like = match["month"], match["day"]
    return str(match["join"]).join((f"{moved.year}", _wide(moved.month, *like), _wide(moved.day, *like)))


def _year_last(match: re.Match[str], days: int, hidden: frozenset[str]) -> str | None:
    """Day first, but for slashes whose second number can only be a day; slashes that fit both ways say nothing."""
    first, second, join = match["first"], match["second"], match["join"]
    american = int(second) > 12
    if join == "/" and not american and int(first) <= 12 and first != second:
        return None
    day, month = (second, first) if american else (first, second)
    moved = _shifted(match["year"], month, day, days, hidden)
    if moved is None:
        return None
    parts = (moved.month, moved.day) if american else (moved.day, moved.month)
    if join == "/" and max(parts) <= 12 and parts[0] != parts[1]:
        return None
    return join.join((*(_wide(part, first, second) for part in parts), f"{moved.year}"))


def _compact(match: re.Match[str], days: int, hidden: frozenset[str]) -> str | None:
    moved = _shifted(match["year"], match["month"], match["day"], days, hidden)
    return None if moved is None else f"{moved.year:04}{moved:%m%d}"


def _day_name_year(match: re.Match[str], days: int, hidden: frozenset[str]) -> str | None:
    month, name = renamed(match["name"])
    moved = _shifted(match["year"], month, match["day"], days, hidden)
    if moved is None:
        return None
    return f"{_day(moved.day, match['day'])}{match['one']}{name(moved.month)}{match['two']}{moved.year}"


def _name_day_year(match: re.Match[str], days: int, hidden: frozenset[str]) -> str | None:
    month, name = renamed(match["name"])
    moved = _shifted(match["year"], month, match["day"], days, hidden)
    two = re.sub("st|nd|rd|th", "", match["two"], flags=re.IGNORECASE)
    return (
        None if moved is None else f"{name(moved.month)}{match['one']}{_day(moved.day, match['day'])}{two}{moved.year}"
    )


FORMS: Final = (
    (DAY_NAME_YEAR, _day_name_year),
    (NAME_DAY_YEAR, _name_day_year),
    (YEAR_FIRST, _year_first),
    (YEAR_LAST, _year_last),
    (COMPACT, _compact),
)


def replaced(text: str, days: int | None, hidden: frozenset[str], put: Replace, gap: str) -> str:
    """Every whole date given to `put` in its moved form, everything else that looks like a date replaced by `gap`.

    `days` None removes them all. `hidden` are dates (YYYYMMDD) that are removed and not moved: of birth.
    """
    for form, move in FORMS:

        def one(match: re.Match[str], move: Callable[..., str | None] = move) -> str:
            moved = None if days is None else move(match, days, hidden)
            return gap if moved is None else put(moved)

        text = form.sub(one, text)
    return text


def without_parts(text: str, gap: str) -> str:
    """The text with a gap for every part of a date and every three numbers that read as one."""
    text = ROMAN.sub(gap, PARTIAL.sub(gap, text))
    pieces, done, at = [], 0, 0
    while match := TRIPLE.search(text, at):
        at = match.end(1)
        if _reads_as_a_date(*match.groups()):
            pieces += [text[done : match.start()], gap]
            done = at = match.end()
    return "".join((*pieces, text[done:])) if pieces else text


def _reads_as_a_date(first: str, one: str, second: str, two: str, third: str) -> bool:
    """Day, month and year in any usual order; joints that also make lists and measures need a sign of a date.

    A sign is a leading zero, a whole year, or a short one that is too high for a day; 2x2x50 is a size, 2.5 40 are
    decimals and a number.
    """
    decimals = (one in ".," and two not in "./-'’,") or (two in ".," and one not in "./-'’,")
    one, two = one.strip() or " ", two.strip() or " "
    orders = ((first, second, third), (second, first, third), (third, second, first))
    if not any(_plausible(*order) for order in orders):
        return False
    if (one in "/-" and two in "./-") or two in "'’" or (one == two == "."):
        return True
    numbers = (first, second, third)
    whole = any(len(number) == 4 for number in numbers)
    if decimals and not (whole or second.startswith("0")):
        return False
    high = any(len(number) == 2 and int(number) > 31 for number in numbers) and "x" not in (one + two).lower()
    return whole or high or any(number.startswith("0") for number in numbers)


def _plausible(day: str, month: str, year: str) -> bool:
    whole = YEARS.fullmatch(year) is not None
    return (whole or len(year) == 2) and len(day) < 3 and len(month) < 3 and 0 < int(day) < 32 and 0 < int(month) < 13
