"""Cells of CSV files, which people open in programs that compute what looks like a formula."""

from typing import Any, Final

MARK: Final = "\ufeff"
"""Before the first line: a spreadsheet spoils every letter beyond ASCII of UTF-8 without it."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would compute."""


def cell(value: Any) -> str:
    """A value as text; a text that would be computed has an apostrophe before it, which reading it in takes away.

    Numbers are written as they are: they compute nothing.
    """
    shown = "" if value is None else str(value)
    return f"'{shown}" if isinstance(value, str) and shown.startswith(FORMULA) else shown
