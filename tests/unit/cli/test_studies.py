"""What a list of studies says of each, and other short answers of commands."""

import io
from typing import Any

import pytest

from cli.dead import _some
from cli.failure import Code, Failure
from cli.session import password
from cli.studies import COLUMNS, _why

MINE = {"project": "ABCD-study", "participant": "ABCD-0017", "refused": None, "ended_at": None}
ENDED = MINE | {"project": "OTHER-study", "ended_at": "2026-01-31T12:00:00Z"}
REFUSED = MINE | {"participant": "", "refused": "there is no such event"}


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        ([], "waiting"),
        ([ENDED], "waiting"),
        ([ENDED, MINE], "ABCD-study ABCD-0017"),
        ([MINE, REFUSED], "ABCD-study ABCD-0017, ABCD-study refused"),
    ],
)
def test_whose_a_study_is_today(assignments: list[dict[str, Any]], said: str) -> None:
    state = dict(COLUMNS)["State"]
    assert callable(state)
    assert state({"arrived_at": "2026-01-31T12:00:00Z", "assignments": assignments}) == said


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        (MINE, "ABCD-study ABCD-0017: person"),
        (MINE | {"waits_for": "c1"}, "ABCD-study ABCD-0017: person: waits for withdrawal c1"),
        (ENDED, "OTHER-study ABCD-0017: person: ended"),
        (REFUSED, "ABCD-study: person: refused, there is no such event"),
    ],
)
def test_how_an_assignment_stands(assignment: dict[str, Any], said: str) -> None:
    assert _why(assignment | {"reason": "person"}) == said


def test_nobody_is_to_assign_what_has_left_the_archive() -> None:
    state = dict(COLUMNS)["State"]
    assert callable(state)
    gone = {"arrived_at": "2026-01-31T12:00:00Z", "removed_at": "2026-07-31T12:00:00Z"}
    assert state({**gone, "assignments": []}) == "removed"
    assert state({**gone, "assignments": [MINE]}) == "ABCD-study ABCD-0017"


def test_a_long_list_of_an_event_is_counted() -> None:
    assert (
        _some([f"1.2.{number}" for number in range(30)])
        == "30, the first of them 1.2.0, 1.2.1, 1.2.2; all of them by --json"
    )
    assert _some(["1.2.3"]) == ["1.2.3"]
    assert _some("1.2.3") == "1.2.3"


def test_no_password_at_all_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("six words\n"))
    assert password("Password") == "six words"
    with pytest.raises(Failure, match="a password is wanted") as wrong:
        password("Password")
    assert wrong.value.code is Code.USAGE
