"""The words that identify the people of one header: they never stay in its text, whatever else they mean."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from deidentification.gate.identity import IDENTIFYING, Kind
from deidentification.text.spellings import people, readings, spellings

BIRTH_DATE: Final = 0x00100030
# The days of an examination: study, series, acquisition, content.
EXAMINED: Final = frozenset((0x00080020, 0x00080021, 0x00080022, 0x00080023))
SHORTEST_WORD, SHORTEST_ID = 2, 4
# How many digits of an id tell, and what may stand between two of them.
LEAST_DIGITS, MOST_DIGITS, APART = 5, 32, r"[^\d\n]{0,2}"
SHORT_DATE: Final = 6
ASCII_DIGITS: Final = frozenset("0123456789")
DAY: Final = re.compile(r"(?:1[89]|2[01])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
MEASURE: Final = r"(?:ms|us|s|hu|hz|khz|mm|cm|ml|kg)\b"
# What stands in name attributes though nobody is called so: devices, roles, placeholders.
ROLES: Final = frozenset(
    word
    for line in (
        "anon anonymous anonymized anonym unknown ukjent unbekannt none nn test ct mr mri us xa rf dx cr dr pt pet nm",
        "mg rad tech mta radiograf radiographer operator admin service user system default technologist doctor nurse",
        "md phd prof mrs ms",
    )
    for word in line.split()
)
# Parts of names that are words of everyday language.
PARTICLES: Final = frozenset(
    ["van", "von", "der", "den", "de", "av", "af", "la", "le", "el", "al", "di", "da", "dos", "du"]
)


@dataclass(frozen=True)
class Person:
    """What must never stand in cleaned text: words of names, ids, and dates that are not moved (YYYYMMDD).

    Ids and dates also go in parts: their digits with a sign or two between them. `studied` are the days of the
    examination (YYYYMMDD): whole they are moved, in parts they would tell by how much.
    """

    words: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()
    studied: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.words, self.ids, self.dates, self.studied))

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Finds any of the ids where it stands alone, and the digits of the long ones in parts."""
        if not self.ids:
            return None
        choice = "|".join(re.escape(each) for each in sorted(self.ids, key=len, reverse=True))
        numbers = sorted({number for each in self.ids if (number := _number(each))})
        apart = rf"|(?<!\d)(?:0{APART}){{0,16}}(?:{'|'.join(map(APART.join, numbers))})(?!\d)" if numbers else ""
        return re.compile(rf"(?<![^\W_])(?:{choice})(?![^\W_]){apart}", re.IGNORECASE)

    @cached_property
    def _parts(self) -> re.Pattern[str] | None:
        choices = [form for day in sorted(self.dates | self.studied) for form in _parted(day)]
        return re.compile("|".join(choices)) if choices else None

    @cached_property
    def _years(self) -> re.Pattern[str] | None:
        years = sorted({day[:4] for day in self.dates if DAY.fullmatch(day)})
        beside = rf"(?<![^\W_])[^\W\d_]?(?:{'|'.join(years)})[^\W\d_]?(?![^\W_])(?!\ ?{MEASURE})"
        return re.compile(beside, re.IGNORECASE) if years else None

    def without_days(self, text: str, gap: str) -> str:
        """The text with a gap for the dates in parts, in any order; a number of four digits alone is none."""
        if self._parts is None:
            return text
        return self._parts.sub(
            lambda match: match[0] if match[0].isdigit() and len(match[0]) < SHORT_DATE else gap, text
        )

    def without_years(self, text: str, gap: str) -> str:
        """The text with a gap for the year of birth, also beside a letter."""
        return text if self._years is None else self._years.sub(gap, text)


def _number(identifier: str) -> str:
    """The digits of an id without leading zeros, when they are enough to be told by."""
    digits = "".join(sign for sign in identifier if sign in ASCII_DIGITS).lstrip("0")
    return digits if LEAST_DIGITS <= len(digits) <= MOST_DIGITS else ""


def _parted(day: str) -> Iterator[str]:
    """Patterns of one date: day, month and year in the usual orders, in any groups of digits."""
    if not DAY.fullmatch(day):
        return
    year, month, number = day[:4], day[4:6], day[6:]
    years = f"(?:{APART.join(year)}|{APART.join(year[2:])})"
    one, two = (re.sub("^0", "0?", APART.join(each)) for each in (number, month))
    orders = ((one, two, years), (two, one, years), (years, two, one))
    yield rf"(?<!\d)(?:{'|'.join(APART.join(order) for order in orders)})(?!\d)"


NOBODY: Final = Person()


def person_of(identifying: Iterable[tuple[int, bytes]], character_set: bytes) -> Person:
    """The person of one header, from what the walk found identifying in it."""
    telling = frozenset(
        (tag, value)
        for tag, value in identifying
        if IDENTIFYING.get(tag, Kind.NAME) in _KINDS or tag == BIRTH_DATE or tag in EXAMINED
    )
    return _person(telling, character_set)


_KINDS: Final = frozenset((Kind.NAME, Kind.ID, Kind.DEVICE))


@lru_cache(maxsize=256)
def _person(telling: frozenset[tuple[int, bytes]], character_set: bytes) -> Person:
    words, ids, dates, studied = set[str](), set[str](), set[str](), set[str]()
    for tag, value in telling:
        kind = IDENTIFYING.get(tag, Kind.NAME)
        if tag == BIRTH_DATE:
            dates.add(value.strip(b"\0 ").replace(b".", b"").decode("latin-1"))
        elif tag in EXAMINED:
            studied.add(value.strip(b"\0 ").replace(b".", b"").decode("latin-1"))
        elif kind is Kind.NAME:
            for text in readings(value, character_set):
                words |= _words(text)
        else:
            for text in readings(value, character_set):
                ids |= {each.strip().casefold() for each in text.split("\\") if len(each.strip()) >= SHORTEST_ID}
    return Person(frozenset(words), frozenset(ids), frozenset(dates), frozenset(studied))


def _words(text: str) -> set[str]:
    found = {word for family, others in people(text) for word in (*family, *others)}
    forms = {form.casefold() for word in found for form in spellings(word)}
    return {form for form in forms if len(form) >= SHORTEST_WORD and form not in ROLES | PARTICLES}
