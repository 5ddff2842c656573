"""What a spreadsheet does to a cell: undone where nothing is lost, refused with the reason where something is."""

import re

BLANK = " \t\r\n\u00a0\u2007\u202f\u200b\ufeff"
AS_TEXT = re.compile(r'="([^"]*)"')
"""How Excel is told to keep leading zeros."""
GUARDED = re.compile(r"'(?=[=+\-@])")
"""How our own export keeps a spreadsheet from reading a formula."""

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


def clean(cell: str) -> str:
    """The value: without blanks around it, no-break spaces as spaces, Excel's and our own wrapping taken off."""
    if cell.isalnum() and cell.isascii():
        return cell
    text = cell.strip(BLANK).replace("\u00a0", " ")
    if wrapped := AS_TEXT.fullmatch(text):
        return wrapped[1].strip(BLANK)
    return GUARDED.sub("", text, count=1) if text.startswith("'") else text


def damage(value: str) -> str | None:
    """Why a clean value cannot be what was meant; None: it can."""
    if value.isalnum() and value.isascii():
        return None
    return next((reason for pattern, reason in DAMAGE if pattern.fullmatch(value)), None)
