"""What a field in REDCap is given: dates as it checks them, codes of choices, ticks of checkboxes."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from services.redcap.values import Clock, Day, Field, NoChoice, Value, rendered

OSLO = ZoneInfo("Europe/Oslo")
MOMENT = datetime(2026, 7, 1, 9, 5, 7, tzinfo=OSLO)
PROJECTS = {"1": "ABCD-study", "2": "7"}


def of(validation: str = "") -> Field:
    return Field("f", "form", validation=validation)


@pytest.mark.parametrize(
    ("value", "validation", "text"),
    [
        (Day("20260105"), "date_dmy", "2026-01-05"),
        (Day("2026.01.05"), "date_ymd", "2026-01-05"),
        (Day("20260105"), "", "20260105"),
        (Day("20260105"), "datetime_ymd", "2026-01-05 00:00"),
        (Day("20261305"), "date_ymd", None),
        (Day(""), "", None),
        (Clock("101500.25"), "", "101500.25"),
        (Clock("101560"), "time_hh_mm_ss", "10:15:59"),
        (Clock("10"), "time", "10:00"),
        (Clock("noon"), "time", None),
        (MOMENT, "", "2026-07-01 09:05"),
        (MOMENT, "date_mdy", "2026-07-01"),
        (MOMENT, "datetime_seconds_dmy", "2026-07-01 09:05:07"),
        (12, "integer", "12"),
        (" a\x00b\x1b\n", "", "ab"),
        ("", "", None),
        (None, "", None),
        (frozenset({"2", "1"}), "", "1,2"),
    ],
)
def test_text(value: Value, validation: str, text: str | None) -> None:
    assert rendered(value, of(validation)) == ({} if text is None else {"f": text})


def test_a_choice_is_found_by_its_code_its_label_or_the_coding() -> None:
    field = Field("f", "form", "dropdown", PROJECTS)
    assert rendered("ABCD-study", field) == {"f": "1"}
    assert rendered("2", field) == {"f": "2"}
    assert rendered("OTHER", field, {"OTHER": "2"}) == {"f": "2"}
    with pytest.raises(NoChoice, match=r"^f has no such choice$"):
        rendered("somebody's name", field)


def test_a_checkbox_is_ticked_and_unticked() -> None:
    field = Field("error", "form", "checkbox", {"1": "a", "2": "b", "X": "c"})
    assert rendered(frozenset({"2"}), field) == {"error___1": "0", "error___2": "1", "error___x": "0"}
    assert rendered(frozenset(), field) == {"error___1": "0", "error___2": "0", "error___x": "0"}
    assert rendered(None, field) == {}
    assert rendered("sent", field, {"sent": "2"})["error___2"] == "1"
    with pytest.raises(NoChoice):
        rendered(frozenset({"9"}), field)
