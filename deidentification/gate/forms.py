"""The forms in which one identifying value is looked for.

Names: their words, family and given name written together, and, where a word alone is too short or too common, the
family name beside another word or initial. Ids: whole, without separators, their long numbers. Dates: the usual ways
to write them. Institutions, addresses: their telling words. Phone numbers: the usual ways to group digits.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from string import ascii_lowercase
from typing import Final

from deidentification.gate.common import common
from deidentification.gate.identity import Kind
from deidentification.text.months import TABLES
from deidentification.text.person import ROLES
from deidentification.text.spellings import codecs_of, encodings, people, readings, spellings, styles

LEAST_NAME, LEAST_TOGETHER, LEAST_ID, LEAST_NUMBER, LEAST_PHONE, LEAST_TEXT = 4, 5, 5, 6, 7, 5
LEAST_FAMILY_WITH_INITIAL: Final = 3
SHORTEST: Final = 4
BESIDE: Final = (" ", ", ", ",", "^", "_", "-", ".", "=", ". ", "/", ";", "; ", "+")
MIDDLE: Final = tuple(f" {letter}{dot} " for letter in ascii_lowercase for dot in ("", "."))
INITIAL_FIRST, INITIAL_LAST = (". ", ".", "_", "^"), (", ", ",", "^", "_")
NO_BIRTHDAYS: Final = frozenset((b"19000101", b"18000101", b"99991231"))
# How digits are grouped in phone numbers, from the end.
GROUPS: Final = ((2, 2, 2, 2), (3, 2, 3), (3, 3, 4), (3, 4), (4, 4), (2, 3, 3), (3, 3, 3), (2, 3, 2, 2), (3, 3, 2, 2))
# How many digits of an id may stand in groups, and how.
GROUPED_ID: Final = range(6, 13)
ID_JOINTS: Final = (" ", "-")
MOST_ID_PARTS: Final = 4
PHONE_JOINTS: Final = (" ", "-", ".", "/")
MONTH_NAMES: Final = tuple(
    frozenset(table[at].encode(codec).upper() for table in TABLES for codec in ("utf-8", "latin-1")) for at in range(12)
)
_DAY: Final = re.compile(r"(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_WORDS: Final = re.compile(r"[^\W_]+")


@lru_cache(maxsize=8192)
def forms(kind: Kind, value: bytes, character_set: bytes) -> frozenset[bytes]:
    """The upper-cased byte strings to look for; none is shorter than four bytes."""
    if kind is Kind.DATE:
        return frozenset(_dates(value))
    declared = codecs_of(character_set)
    texts = {form for text in readings(value, character_set) for form in _TEXTS[kind](text)}
    found = {form for text in texts for form in encodings(text, declared)}
    if not value.isascii():
        # As the bytes stand: what is declared wrongly is copied wrongly, too.
        found |= {part.strip(b" \0").upper() for part in re.split(rb"[\\^=]", value) if not part.isascii()}
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _names(text: str) -> Iterator[str]:
    for family, others in people(text):
        for word in (*family, *others):
            yield from (form for form in spellings(word) if _long_enough(form) and not common(form))
        for words in (family, others):
            # O'Neil, Van Dijk, Anne-Marie written together.
            yield from (form for form in spellings("".join(words)) if len(words) > 1 and _telling_together(form))
        for other in dict.fromkeys((*others, "".join(others))) if family else ():
            for name, given in dict.fromkeys(zip(styles("".join(family)), styles(other), strict=True)):
                yield from (form for form in (name + given, given + name) if _telling_together(form))
                if given and (common(name) or not _long_enough(name)) and not {name, given} & ROLES:
                    yield from _beside(name, given)
            for name in spellings("".join(family)) if other else ():
                yield from (form for form in (name + other[0].lower(), other[0].lower() + name) if _with_initial(form))


def _with_initial(form: str) -> bool:
    """KNORDMANN: an initial before or behind the family name, where that makes no other word."""
    return len(form) > LEAST_TOGETHER and form.isascii() and not common(form)


def _long_enough(form: str) -> bool:
    return len(form) >= LEAST_NAME if form.isascii() else len(form.encode()) >= LEAST_NAME and len(form) > 1


def _telling_together(form: str) -> bool:
    return (len(form) >= LEAST_TOGETHER if form.isascii() else len(form) > 1) and not common(form)


def _beside(family: str, given: str) -> Iterator[str]:
    """A short or common family name with another word of the name, or with its initial, in both orders."""
    if len(given) > 1 and (not family.isascii() or len(family + given) >= LEAST_NAME):
        for joint in BESIDE:
            yield from (family + joint + given, given + joint + family)
        yield from (given + initial + family for initial in MIDDLE)
    if len(family) >= LEAST_FAMILY_WITH_INITIAL:
        yield from (given[0] + joint + family for joint in INITIAL_FIRST)
        yield from (family + joint + given[0] for joint in INITIAL_LAST)


def _ids(text: str) -> Iterator[str]:
    for value in re.split(r"[\\\0]", text):
        value = value.strip().lower()
        plain = re.sub(r"[ \-./_]", "", value)
        bare = plain.lstrip("0")
        numbers = [number for number in re.findall(r"\d{8,}", value) if number != value and not _DAY.fullmatch(number)]
        yield from (form for form in (value, plain, bare, *numbers) if _telling(form))
        if plain.isdigit() and len(plain) in (10, 11, 12) and _telling(plain):
            at = 8 if len(plain) == 12 else 6
            yield from (plain[:at] + joint + plain[at:] for joint in (" ", "-"))


def _persons_ids(text: str) -> Iterator[str]:
    """Also in parts: digits in groups, letters apart from digits."""
    yield from _ids(text)
    for value in re.split(r"[\\\0]", text):
        plain = re.sub(r"[ \-./_]", "", value.strip().lower())
        parts = re.findall(r"\d+|[^\W\d_]+", plain)
        if 1 < len(parts) <= MOST_ID_PARTS and "".join(parts) == plain and _telling(plain):
            yield from (joint.join(parts) for joint in (*ID_JOINTS, "_", "/", "."))
        for number in {plain, plain.lstrip("0")} if plain.isdigit() and _telling(plain.lstrip("0")) else ():
            if len(number) in GROUPED_ID:
                yield from (joint.join(group) for group in _digit_groups(number) for joint in ID_JOINTS)


def _digit_groups(number: str) -> Iterator[list[str]]:
    """A number in two parts, in pairs from both ends, in threes and fours from the end."""
    yield from ([number[:at], number[at:]] for at in range(2, len(number) - 1))
    for size in (2, 3, 4):
        first = len(number) % size
        yield [
            *([number[:first]] if first else ()),
            *(number[at : at + size] for at in range(first, len(number), size)),
        ]
    yield [number[at : at + 2] for at in range(0, len(number), 2)]


def _devices(text: str) -> Iterator[str]:
    return (form for form in _ids(text) if any(map(str.isdigit, form)))


def _telling(text: str) -> bool:
    least = LEAST_NUMBER if text.isdigit() else LEAST_ID
    return len(text) >= least and len(set(text)) > 1 and not common(text)


def _texts(text: str) -> Iterator[str]:
    """The words that are no words of the field, and every line or piece between commas that holds one."""
    for piece in re.split(r"[\\,;\r\n\0^=]", text):
        telling = [word.lower() for word in _WORDS.findall(piece) if not common(word) and not word.isdigit()]
        yield from (form for word in telling if len(word) >= LEAST_TEXT for form in spellings(word))
        if any(len(word) >= 3 for word in telling) and len(piece.strip()) >= LEAST_ID:
            yield from spellings(" ".join(piece.split()))


def _phones(text: str) -> Iterator[str]:
    for value in re.split(r"[\\,;\0]", text):
        value = value.strip().lower()
        digits = re.sub(r"\D", "", value)
        if "@" in value or (len(digits) < LEAST_PHONE and _telling(value)):
            yield value.removeprefix("mailto:")
        if len(digits) < LEAST_PHONE:
            continue
        national = digits.removeprefix("00")
        for number in {digits, national, *(national[-length:] for length in (7, 8, 9, 10) if length <= len(national))}:
            if len(number) > LEAST_PHONE or number in (digits, national):
                yield number
            for groups in GROUPS:
                if sum(groups) == len(number):
                    yield from (joint.join(_grouped(number, groups)) for joint in PHONE_JOINTS)
        yield value


def _grouped(number: str, groups: tuple[int, ...]) -> list[str]:
    at, parts = 0, []
    for size in groups:
        parts.append(number[at : at + size])
        at += size
    return parts


def _dates(value: bytes) -> Iterator[bytes]:
    """A date of eight digits in the usual ways to write one; six digits alone are times and are not looked for."""
    if not value.isdigit() or not _DAY.fullmatch(value.decode("ascii")) or value in NO_BIRTHDAYS:
        return
    year, month, day = value[:4], value[4:6], value[6:]
    short = year[2:]
    d, m = day.lstrip(b"0"), month.lstrip(b"0")
    yield from (value, day + month + year, month + day + year)
    for join in (b"-", b".", b"/", b" ", b":", b"_", b". ", b","):
        yield join.join((year, month, day))
        yield join.join((day, month, year))
        yield join.join((d, m, year))
        yield join.join((year, m, d))
    for join in (b"-", b"/", b"_"):
        yield join.join((month, day, year))
        yield join.join((m, d, year))
    yield b".".join((day, month, short))
    for join in (b"-", b"/"):
        for one, two in ((day, month), (month, day), (d, m), (m, d)):
            yield join.join((one, two, short))
    # Halves of different joints: 12/3-50, 12/3 1950, 12.3-50.
    for one, two in ((day, month), (d, m)):
        for ends in (year, short):
            yield from (one + join + two + last + ends for join, last in ((b"/", b"-"), (b".", b"-"), (b"/", b"'")))
        yield from (one + join + two + b" " + year for join in (b"/", b"."))
    for name in MONTH_NAMES[int(month) - 1]:
        for number in {day, d}:
            for ends in (year, short):
                yield from (join.join((number, name, ends)) for join in (b"-", b" ", b""))
                yield number + b". " + name + b" " + ends
            yield b". ".join((number, name, year))
            yield from (name + b" " + number + join + year for join in (b", ", b" ", b","))
            yield name + b". " + number + b", " + year
        counted = d + _ordinal(int(d))
        yield from (counted + b" " + name + join + year for join in (b" ", b", "))
        yield from (name + b" " + counted + join + year for join in (b" ", b", "))


def _ordinal(day: int) -> bytes:
    return b"TH" if day // 10 == 1 else {1: b"ST", 2: b"ND", 3: b"RD"}.get(day % 10, b"TH")


_TEXTS: Final = {
    Kind.NAME: _names,
    Kind.ID: _persons_ids,
    Kind.DEVICE: _devices,
    Kind.TEXT: _texts,
    Kind.PHONE: _phones,
}
