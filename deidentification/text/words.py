"""What may stay of one written word: words of the field, short numbers, and what joins the two."""

import re
from enum import Enum
from functools import lru_cache
from typing import Final

from deidentification.text.vocabulary import known

# Stand for whole dates that were already moved.
FIRST_DATE, LAST_DATE = "\ue100", "\uf8ff"
DATES: Final = f"{FIRST_DATE}-{LAST_DATE}"
RUN: Final = re.compile(rf"\d+(?:[.,]\d+)?|[^\W\d_]+|[{DATES}]")
CAMEL: Final = re.compile("[A-ZÆØÅÄÖÜ]+(?![a-zæøåäöüß])|[A-ZÆØÅÄÖÜ]?[a-zæøåäöüß]+")
NUMBER: Final = re.compile(r"\d{1,4}|\d{1,4}[.,]\d{1,3}")
DIMENSIONS: Final = re.compile(r"\d{1,4}(?:[xX×]\d{1,4}){1,2}")
YEAR: Final = re.compile(r"(?:19|20)\d\d")
# A number like a year is one of these when it stands beside them.
MEASURED: Final = frozenset(
    word for line in ("b te tr ti ta tau ww wl w c l m x", "ms us s hu hz khz mm cm ml kg") for word in line.split()
)
MOST_DIGITS, MOST_RUNS = 6, 7


class Verdict(Enum):
    """Harmless; harmless unless what stands beside it went (an initial); gone."""

    STAYS = 0
    WEAK = 1
    GOES = 2


@lru_cache(maxsize=65536)
def verdict(word: str) -> Verdict:
    """Whether a word without punctuation stays."""
    if known(word):
        return Verdict.WEAK if len(word) == 1 else Verdict.STAYS
    if DIMENSIONS.fullmatch(word):
        return Verdict.STAYS
    runs = RUN.findall(word)
    if "".join(runs) != word or len(runs) > MOST_RUNS or (len(word) == 1 and word.isalpha()):
        return Verdict.GOES
    if all(FIRST_DATE <= run <= LAST_DATE for run in runs):
        return Verdict.STAYS
    if sum(sign.isdigit() for sign in word) > MOST_DIGITS or not all(map(_run_stays, runs)):
        return Verdict.GOES
    if any(YEAR.fullmatch(run) and not _measured(runs, at) for at, run in enumerate(runs)):
        return Verdict.GOES
    return Verdict.STAYS


def _run_stays(run: str) -> bool:
    if run[0].isdigit():
        return NUMBER.fullmatch(run) is not None
    if FIRST_DATE <= run <= LAST_DATE or known(run):
        return True
    if len(run) == 1:
        return run.isascii()
    parts = CAMEL.findall(run)
    return len(parts) > 1 and "".join(parts) == run and all(len(part) > 1 and known(part) for part in parts)


def _measured(runs: list[str], at: int) -> bool:
    beside = {run.casefold() for run in (*runs[max(0, at - 1) : at], *runs[at + 1 : at + 2])}
    return bool(beside & MEASURED)


def parts(word: str) -> list[str]:
    """The word and what it is made of, in one case: what a name is compared with."""
    runs = RUN.findall(word)
    return [part.casefold() for part in (word, *runs, *(camel for run in runs for camel in CAMEL.findall(run)))]
