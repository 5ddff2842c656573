"""People are told each change once, what is well again, too, and in quiet hours only what cannot wait."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from services.monitor.readings import State
from services.monitor.settings import MonitorSettings
from services.monitor.settling import Known
from services.monitor.telling import body, is_quiet, mail, untold

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def known(state: State, told: State = "ok", subject: str = "research") -> Known:
    return Known("destination", subject, state, NOW, "no connection", None, state, 2, NOW, (), told, told)


def test_each_change_is_told_once() -> None:
    settings = MonitorSettings()
    failed = known("failing")
    assert untold([failed, known("ok", subject="other")], "mailed", settings, quiet=False) == [failed]
    assert untold([replace(failed, mailed="failing")], "mailed", settings, quiet=False) == []
    assert untold([replace(failed, mailed="failing")], "posted", settings, quiet=False) != []
    assert untold([known("ok", "failing")], "mailed", settings, quiet=False) != []


def test_the_worst_comes_first() -> None:
    everything = [known("ok", "failing", "a"), known("warning", subject="b"), known("failing", subject="c")]
    assert [each.subject for each in untold(everything, "mailed", MonitorSettings(), quiet=False)] == ["c", "b", "a"]


def test_in_quiet_hours_warnings_wait_and_failures_if_they_are_to() -> None:
    everything = [known("warning", subject="a"), known("failing", subject="b"), known("ok", "failing", subject="c")]
    some = untold(everything, "mailed", MonitorSettings(quiet_for="warnings"), quiet=True)
    assert [each.subject for each in some] == ["b", "c"]
    assert untold(everything, "mailed", MonitorSettings(quiet_for="all"), quiet=True) == []


@pytest.mark.parametrize(
    ("start", "end", "hour", "quiet"),
    [("22:00", "06:00", 23, True), ("22:00", "06:00", 5, True), ("22:00", "06:00", 6, False),
     ("22:00", "06:00", 12, False), ("12:00", "13:00", 12, True), ("12:00", "13:00", 13, False)],
)  # fmt: skip
def test_quiet_hours_are_by_the_clock_of_people(start: str, end: str, hour: int, quiet: bool) -> None:
    settings = MonitorSettings.model_validate({"quiet_from": start, "quiet_until": end})
    assert is_quiet(settings, OSLO, datetime(2026, 1, 5, hour, tzinfo=OSLO)) is quiet
    assert not is_quiet(MonitorSettings(), OSLO, NOW)


def test_what_is_written() -> None:
    changes = [known("failing"), known("ok", "failing", "other")]
    subject, text = mail(MonitorSettings(name="Bergen"), changes, OSLO)
    assert subject == "Bergen: destination research has failed, and 1 more"
    assert "FAILING destination research, since 2026-01-05 11:00\n        no connection" in text
    assert "OK      destination other" in text
    told: Any = body(MonitorSettings(), changes, NOW)["changes"]
    assert [(each["before"], each["state"]) for each in told] == [("ok", "failing"), ("failing", "ok")]


@pytest.mark.parametrize("wrong", [{"quiet_from": "22:00"}, {"mail_to": "nobody"}, {"disk_warning": 0.95}])
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MonitorSettings.model_validate(wrong)
