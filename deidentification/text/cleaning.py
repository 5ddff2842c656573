"""One value cleaned: what is not known to be harmless goes, what stays is written as it was."""

import re
from functools import lru_cache
from typing import Final

from deidentification.text import charsets, dates
from deidentification.text.patterns import CONTROLS, GAP, without_endless, without_patterns
from deidentification.text.person import Person
from deidentification.text.titles import without_names, without_titles
from deidentification.text.words import DATES, FIRST_DATE, LAST_DATE, YEAR, Verdict, parts, verdict

# Value representations that hold text, and the characters that one value may have (PS3.5 6.2); 0: any number.
LONGEST: Final = {b"CS": 16, b"SH": 16, b"LO": 64, b"ST": 1024, b"LT": 10240, b"UC": 0, b"UT": 0}
ONE_VALUE: Final = frozenset((b"ST", b"LT", b"UT"))
CACHED: Final = 512
# A text that never comes to rest is none.
MOST_PASSES: Final = 20

# Digits of other scripts and widths: nothing else here reads them.
FOREIGN_DIGITS: Final = re.compile(r"[^\s]*(?![0-9])\d[^\s]*")
GAPS: Final = re.compile(rf"[ \t]*{GAP}(?:[ \t]*{GAP})*[ \t]*")
SPACES: Final = re.compile(r"(\s+)")
WORD: Final = re.compile(rf"(?:\d+[.,]\d+(?!\d)|[^\W_]|[{DATES}])+")
PUNCTUATION: Final = re.compile(r"[^ !\"#$%&'()*+,\-./:;<=>?\[\]^_{|}~°±×–—·²³≤≥§]")
MEASURES: Final = re.compile(r"(?:ms|us|s|hu|hz|khz|mm|cm|ml|kg)\b", re.IGNORECASE)
DATES_HELD: Final = ord(LAST_DATE) - ord(FIRST_DATE)


def clean_text(value: bytes, vr: bytes, character_set: bytes, person: Person, days: int | None) -> bytes:
    """`value` of a text VR without anything that is not known to be harmless; empty when it cannot be read.

    `days`: dates in the text are moved by so many days, 0 keeps them, None removes them.
    """
    if len(value) <= CACHED:
        return _short(value, vr, character_set, person, days)
    return _cleaned(value, vr, character_set, person, days)


def _cleaned(value: bytes, vr: bytes, character_set: bytes, person: Person, days: int | None) -> bytes:
    if vr not in LONGEST:
        return b""
    text = charsets.decoded(value, character_set)
    if text is None:
        return b""
    values = [text] if vr in ONE_VALUE else text.split("\\")
    kept = [_fitting(clean(each, person, days), LONGEST[vr], person, days) for each in values]
    return charsets.encoded("\\".join(kept), character_set) or b"" if any(kept) else b""


_short = lru_cache(maxsize=8192)(_cleaned)


def clean(text: str, person: Person, days: int | None) -> str:
    """One text, cleaned until nothing more goes: what is removed may bring together what looks like a date."""
    text = without_endless(CONTROLS.sub(" ", text))
    text = text if text.isascii() else FOREIGN_DIGITS.sub(GAP, text)
    text, moved = _once(text, person, days, frozenset())
    for _ in range(MOST_PASSES):
        again, _ = _once(text, person, None if days is None else 0, moved)
        if again == text:
            return text
        text = again
    return ""


def _once(text: str, person: Person, days: int | None, moved: frozenset[str]) -> tuple[str, frozenset[str]]:
    """One pass, and the dates it left; with `moved` given, no other dates are left."""
    held: list[str] = []

    def put(date: str) -> str:
        if (moved and date not in moved) or len(held) >= DATES_HELD:
            return GAP
        held.append(date)
        return chr(ord(FIRST_DATE) + len(held) - 1)

    if person.pattern is not None:
        text = person.pattern.sub(GAP, text)
    text = dates.replaced(text, days, person.dates, put, GAP) if any(map(str.isdigit, text)) else text
    if any(map(str.isdigit, text)):
        text = dates.without_parts(person.without_days(text, GAP), GAP)
        text = person.without_years(text, GAP)
    text = _words(without_names(without_titles(without_patterns(text))), person)
    left = frozenset(held)
    if held:
        text = re.sub(f"[{DATES}]", lambda match: held[ord(match[0]) - ord(FIRST_DATE)], text)
    return text, left


def _words(text: str, person: Person) -> str:
    """The words that stay, with the spaces before them; gaps and what leaned on them close up."""
    chunks = SPACES.split(GAPS.sub(f" {GAP} ", text) if GAP in text else text)
    words = chunks[::2]
    kept = [_chunk(word, words[at + 1] if at + 1 < len(words) else "", person) for at, word in enumerate(words)]
    if all(weak is False and chunk == word for (chunk, weak), word in zip(kept, words, strict=True)):
        return text.rstrip(" ")
    gone = [not chunk and bool(word) for (chunk, _), word in zip(kept, words, strict=True)]
    for order in (range(len(kept)), range(len(kept) - 1, -1, -1)):
        for at in order:
            if kept[at][1] and not gone[at]:
                gone[at] = gone[max(0, at - 1)] or gone[min(len(gone) - 1, at + 1)]
    written, space = "", ""
    for at, (chunk, _) in enumerate(kept):
        if chunk and not gone[at]:
            written += (space if written else "") + chunk
            space = ""
        between = chunks[2 * at + 1] if 2 * at + 1 < len(chunks) else ""
        space = between if not space or "\n" in between else space
    return written.rstrip(" ")


def _chunk(word: str, following: str, person: Person) -> tuple[str, bool]:
    """What stays of a word between spaces, and whether it leans on its neighbours (an initial, a dash)."""
    pieces = _pieces(word)
    found = WORD.findall(word)
    if not found:
        left = PUNCTUATION.sub("", word)
        return left, bool(left)
    if any(part in person.words for each in found for part in parts(each)):
        return "", False
    verdicts = [verdict(each) for each in found]
    if len(found) == 1 and YEAR.fullmatch(found[0]) and MEASURES.match(following):
        verdicts = [Verdict.STAYS]
    if Verdict.GOES in verdicts:
        verdicts = [Verdict.GOES if each is Verdict.WEAK else each for each in verdicts]
    written = ""
    for at, (joint, each) in enumerate(zip(pieces, found, strict=False)):
        if verdicts[at] is not Verdict.GOES:
            written += _joint(joint, at, written) + each
    if not written:
        return "", False
    tail = pieces[-1] if verdicts[-1] is not Verdict.GOES else ""
    return written + PUNCTUATION.sub("", tail), all(each is Verdict.WEAK for each in verdicts)


def _joint(joint: str, at: int, written: str) -> str:
    """What stands between two words; they never grow together."""
    if at and not written:
        return ""
    return PUNCTUATION.sub("", joint) or (" " if at else "")


def _pieces(word: str) -> list[str]:
    """What stands before, between and after the words of a chunk."""
    return WORD.split(word)


def _fitting(text: str, longest: int, person: Person, days: int | None) -> str:
    """Not more characters than the VR allows, by whole words where that leaves any; what was cut through goes."""
    while longest and len(text) > longest:
        short = text[: longest + 1].rpartition(" ")[0].rstrip()
        text = clean(short or text[:longest], person, None if days is None else 0)
    return text
