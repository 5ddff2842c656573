"""What a spreadsheet does to a cell: undone where nothing is lost, refused with the reason where something is.

What our own export writes is read as it was: a value that a spreadsheet would compute, or that would be taken for
spoilt here, has an apostrophe before it. So has one that begins with apostrophes before such a value, or the first of
them would be taken for ours.
"""

import re
from unicodedata import normalize

from shared.spreadsheet import FORMULA

BLANK = " \t\r\n\u00a0\u2007\u202f\u200b\ufeff"
AS_TEXT = re.compile(r'="([^"]*)"')
"""How Excel is told to keep leading zeros."""
GUARD = "'"

AGAIN = "; make the column one of text and export again"
DAMAGE: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"[+-]?\d+(?:[.,]\d+)?[eE][+-]\d+"),
        f"a spreadsheet has written a power of ten (like 1.23E+15) and the digits are lost{AGAIN}",
    ),
    (re.compile(r"\d+[.,]0+"), f"a spreadsheet has made a number with decimals of it{AGAIN}"),
    (re.compile(r"#+"), f"the spreadsheet's column was too narrow: only ##### was exported{AGAIN}"),
    (re.compile(r"#[A-ZÆØÅ0/]+[!?]?"), "the spreadsheet's formula has failed: this is its error, not a value"),
    (re.compile(r"=.*", re.DOTALL), "a formula, not a value"),
    (re.compile(r".*\ufffd.*", re.DOTALL), "a letter was lost (U+FFFD) when the file was saved: export again as UTF-8"),
    (
        re.compile(r".*[\x00-\x1f\x7f].*", re.DOTALL),
        "holds a line break or a control character: is a quotation mark not closed?",
    ),
)


def value_of(cell: str) -> tuple[str, str | None]:
    """The value, and why it cannot be what was meant; None: it can. What is guarded is meant as it stands."""
    text = cell.lstrip(BLANK).rstrip()
    if text.startswith(GUARD) and _doubtful(text.lstrip(GUARD)):
        return text.removeprefix(GUARD), None
    value = clean(text)
    return value, damage(value)


def guarded(value: str) -> str:
    """A cell that no spreadsheet computes, and that is read as this value, but for blanks around it."""
    return f"{GUARD}{value}" if _doubtful(value.lstrip(GUARD)) else value


def _doubtful(text: str) -> bool:
    """Whether it would be computed, changed or refused if it stood in a list."""
    return text.startswith(FORMULA) or clean(text) != text or damage(text) is not None


def clean(cell: str) -> str:
    """The text: without blanks around it, no-break spaces as spaces, Excel's wrapping taken off.

    Letters are composed (å, not a and a ring, as some systems write it): a project's events and what devices send are.
    """
    if cell.isalnum() and cell.isascii():
        return cell
    text = normalize("NFC", cell.strip(BLANK).replace("\u00a0", " "))
    if wrapped := AS_TEXT.fullmatch(text):
        return wrapped[1].strip(BLANK)
    return text


def damage(value: str) -> str | None:
    """Why a clean value cannot be what was meant; None: it can."""
    if value.isalnum() and value.isascii():
        return None
    return next((reason for pattern, reason in DAMAGE if pattern.fullmatch(value)), None)
