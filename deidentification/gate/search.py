"""Many needles in one pass: four-byte windows looked up in a table, then the few candidates compared.

Every needle is found by the window in its middle. A window of the haystack that no needle has costs a multiplication
and a look-up, for all of them at once; what is left is compared byte by byte, with the bytes beside it.
"""

from typing import Final, Literal, NamedTuple

import numpy as np

from deidentification.dataset.encoding import SHORT_VRS, Encoding
from deidentification.gate.identity import Kind
from deidentification.text.vocabulary import known

WINDOW: Final = 4
LONG_NAME, LONGEST_WORD = 8, 40
BITS: Final = 17
BLOCK: Final = 1 << 20
_MULTIPLIER: Final = np.uint32(2654435761)
_SHIFT: Final = np.uint32(32 - BITS)
_ALPHANUMERIC: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS, _DIGITS_DOT = frozenset(b"0123456789"), frozenset(b"0123456789.")
_BESIDE: Final = {
    **dict.fromkeys(Kind, (_ALPHANUMERIC, _ALPHANUMERIC)),
    Kind.UID: (_DIGITS_DOT, _DIGITS_DOT),
    Kind.PHONE: (_DIGITS, _DIGITS),
    Kind.DATE: (_DIGITS, _DIGITS),
}


class Needle(NamedTuple):
    """Bytes to look for, what they are and the attribute they came from."""

    kind: Kind
    tag: int
    form: bytes


def stands_alone(needle: bytes, kind: Kind, haystack: bytes, at: int, encoding: Encoding) -> bool:
    """Whether nothing beside the needle at `at` continues it: a letter or digit, for a UID a digit or dot.

    A long name also counts inside a longer word, unless the field has that word.
    """
    return _free(needle, kind, haystack, at, encoding) or (
        kind is Kind.NAME and len(needle) >= LONG_NAME and needle.isalpha() and not _within_a_word(needle, haystack, at)
    )


def _within_a_word(needle: bytes, haystack: bytes, at: int) -> bool:
    """Whether the letters around a name make a word of the field."""
    start, end = at, at + len(needle)
    least, most = max(0, start - LONGEST_WORD), min(len(haystack), end + LONGEST_WORD)
    while start > least and haystack[start - 1] in _ALPHANUMERIC:
        start -= 1
    while end < most and haystack[end] in _ALPHANUMERIC:
        end += 1
    return known(haystack[start:end].decode("ascii"))


def _free(needle: bytes, kind: Kind, haystack: bytes, at: int, encoding: Encoding) -> bool:
    before, after = _BESIDE[kind]
    if kind is Kind.DATE and b"." in needle:
        before = _DIGITS_DOT
    end = at + len(needle)
    if end < len(haystack) and haystack[end] in after:
        # The low byte of the next element's group (T is group 0054) is followed by its high byte, NUL in most.
        big = not encoding.little
        follows = haystack[end + 1 : end + 2] == b"\0" and not big
        if not follows and not (kind is Kind.DATE and _clock(needle, haystack[end : end + 4])):
            return False
    return at == 0 or haystack[at - 1] not in before or _value_starts(haystack, at, encoding)


def _clock(needle: bytes, following: bytes) -> bool:
    """Whether a date of eight digits goes on as a date and time."""
    if not (needle.isdigit() and len(following) == 4 and following.isdigit()):
        return False
    return int(following[:2]) < 24 and int(following[2:]) % 100 < 60


def _value_starts(haystack: bytes, at: int, encoding: Encoding) -> bool:
    """Whether the byte before is the end of an element's length and not text."""
    order: Literal["little", "big"] = "little" if encoding.little else "big"
    if haystack[at - 4 : at - 2] in SHORT_VRS and at >= 8:
        return int.from_bytes(haystack[at - 2 : at], order) <= len(haystack) - at
    return not encoding.little and haystack[at - 4 : at - 1] == b"\0\0\0"


class Index:
    """Needles, ready to be looked for together."""

    __slots__ = ("by_window", "needles", "table")

    def __init__(self, needles: tuple[Needle, ...]) -> None:
        self.needles = needles
        self.by_window: dict[bytes, list[tuple[int, Needle]]] = {}
        for needle in needles:
            at = (len(needle.form) - WINDOW) // 2
            self.by_window.setdefault(needle.form[at : at + WINDOW], []).append((at, needle))
        self.table = np.zeros(1 << BITS if needles else 0, np.bool_)
        self.table[np.frombuffer(b"".join(self.by_window), "<u4") * _MULTIPLIER >> _SHIFT] = True

    def hits(self, haystack: bytes, encoding: Encoding) -> list[tuple[int, Needle]]:
        """Where needles stand alone in the upper-cased haystack."""
        if not self.needles:
            return []
        found = []
        by_window = self.by_window
        for start in range(0, max(len(haystack) - WINDOW + 1, 0), BLOCK):
            windows: np.ndarray[tuple[int], np.dtype[np.uint32]] = np.ndarray(
                (min(BLOCK, len(haystack) - WINDOW + 1 - start),), "<u4", haystack, start, (1,)
            )
            slots = windows * _MULTIPLIER
            slots >>= _SHIFT
            for candidate in self.table[slots].nonzero()[0].tolist():
                position = start + candidate
                for offset, needle in by_window.get(haystack[position : position + WINDOW], ()):
                    at = position - offset
                    if (
                        at >= 0
                        and haystack.startswith(needle.form, at)
                        and stands_alone(needle.form, needle.kind, haystack, at, encoding)
                    ):
                        found.append((at, needle))
        return found
