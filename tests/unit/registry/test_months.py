"""Which reminder is owed on which day."""

from datetime import date

import pytest

from services.registry.months import due, months_before


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        (date(2027, 8, 31), 6, date(2027, 2, 28)),
        (date(2028, 8, 31), 6, date(2028, 2, 29)),
        (date(2027, 3, 31), 1, date(2027, 2, 28)),
        (date(2027, 1, 15), 3, date(2026, 10, 15)),
        (date(2027, 12, 1), 12, date(2026, 12, 1)),
    ],
)
def test_months_before(day: date, months: int, before: date) -> None:
    assert months_before(day, months) == before


@pytest.mark.parametrize(
    ("today", "months"),
    [
        (date(2027, 2, 27), None),
        (date(2027, 2, 28), 6),
        (date(2027, 5, 30), 6),
        (date(2027, 5, 31), 3),
        (date(2027, 7, 31), 1),
        (date(2027, 8, 30), 1),
        (date(2027, 8, 31), None),
    ],
)
def test_the_reminder_that_is_owed(today: date, months: int | None) -> None:
    assert due(date(2027, 8, 31), today) == months
