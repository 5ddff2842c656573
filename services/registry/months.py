"""Which reminder a project is owed: pure arithmetic on dates."""

import calendar
from datetime import date
from typing import Final

REMINDERS: Final = (6, 3, 1)
"""Months before an approval ends."""


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last one of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def due(ends_on: date, today: date) -> int | None:
    """The last reminder whose day has come, in months; None: too early, or too late."""
    if today >= ends_on:
        return None
    return next((months for months in sorted(REMINDERS) if today >= months_before(ends_on, months)), None)
