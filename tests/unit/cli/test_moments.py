"""Times are shown where the people are."""

import pytest

from cli.output import moment


@pytest.mark.parametrize(("zone", "shown"), [("Europe/Oslo", "2026-07-01 14:00:00"), ("UTC", "2026-07-01 12:00:00")])
def test_a_moment_is_shown_in_the_local_time_zone(zone: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIONA_TIMEZONE", zone)
    assert moment("at")({"at": "2026-07-01T12:00:00.250000Z"}) == shown


def test_no_moment_is_empty() -> None:
    assert moment("at")({"at": None}) == ""
