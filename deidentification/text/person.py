"""The words that identify the people of one header: they never stay in its text, whatever else they mean."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from deidentification.gate.identity import IDENTIFYING, Kind
from deidentification.text.spellings import people, readings, spellings

BIRTH_DATE: Final = 0x00100030
SHORTEST_WORD, SHORTEST_ID = 2, 4
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
    """What must never stand in cleaned text: words of names, whole ids, and dates that are not moved (YYYYMMDD)."""

    words: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    dates: frozenset[str] = frozenset()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.words, self.ids, self.dates))

    @cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Finds any of the ids where it stands alone."""
        if not self.ids:
            return None
        choice = "|".join(re.escape(each) for each in sorted(self.ids, key=len, reverse=True))
        return re.compile(rf"(?<![^\W_])(?:{choice})(?![^\W_])", re.IGNORECASE)


NOBODY: Final = Person()


def person_of(identifying: Iterable[tuple[int, bytes]], character_set: bytes) -> Person:
    """The person of one header, from what the walk found identifying in it."""
    telling = frozenset(
        (tag, value) for tag, value in identifying if IDENTIFYING.get(tag, Kind.NAME) in _KINDS or tag == BIRTH_DATE
    )
    return _person(telling, character_set)


_KINDS: Final = frozenset((Kind.NAME, Kind.ID, Kind.DEVICE))


@lru_cache(maxsize=256)
def _person(telling: frozenset[tuple[int, bytes]], character_set: bytes) -> Person:
    words, ids, dates = set[str](), set[str](), set[str]()
    for tag, value in telling:
        kind = IDENTIFYING.get(tag, Kind.NAME)
        if tag == BIRTH_DATE:
            dates.add(value.strip(b"\0 ").decode("latin-1"))
        elif kind is Kind.NAME:
            for text in readings(value, character_set):
                words |= _words(text)
        else:
            for text in readings(value, character_set):
                ids |= {each.strip().casefold() for each in text.split("\\") if len(each.strip()) >= SHORTEST_ID}
    return Person(frozenset(words), frozenset(ids), frozenset(dates))


def _words(text: str) -> set[str]:
    found = {word for family, others in people(text) for word in (*family, *others)}
    forms = {form.casefold() for word in found for form in spellings(word)}
    return {form for form in forms if len(form) >= SHORTEST_WORD and form not in ROLES | PARTICLES}
