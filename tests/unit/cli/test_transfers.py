"""Watching ends when nothing is under way, and a study that is still arriving is."""

from typing import Any

import pytest

from cli.client import Item
from cli.transfers import to_come, watched


def study(instances: int, **assignment: Any) -> Item:
    given = {"project": "A", "refused": None, "waits_for": None, "ended_at": None, **assignment}
    return {"study_instance_uid": "1.1", "instances": instances, "assignments": [given]}


def transfer(instances: int, project: str = "A") -> Item:
    return {"study_instance_uid": "1.1", "project": project, "instances": instances, "state": "completed"}


@pytest.mark.parametrize(
    ("found", "assigned", "project", "uid", "expected"),
    [
        ([], [], None, None, False),
        ([], [study(2)], None, None, True),
        ([transfer(1)], [study(2)], "A", "1.1", True),
        ([transfer(1), transfer(1)], [study(2)], "A", "1.1", False),
        ([transfer(2, "B")], [study(2)], None, None, True),
        ([], [study(2)], "B", None, False),
        ([], [study(2)], None, "1.2", False),
        ([], [study(2, refused="no")], None, None, False),
        ([], [study(2, ended_at="2026-01-01T00:00:00Z")], None, None, False),
        ([transfer(2)], [study(2, waits_for="a withdrawal")], None, None, True),
    ],
)
def test_to_come(found: list[Item], assigned: list[Item], project: str | None, uid: str | None, expected: bool) -> None:
    assert to_come(found, assigned, project, uid) is expected


def test_without_a_terminal_only_changes_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    answers = [[], [], [{**transfer(3), "state": "sending"}], [{**transfer(3), "anonymized": 3, "delivered": 3}]]
    left = iter(answers)
    found = watched(lambda: next(left), lambda seen: seen == answers[-1], quiet=False, every=0)
    assert found == answers[-1]
    assert capsys.readouterr().out.splitlines() == [
        "no transfers | instances 0, de-identified 0, delivered 0",
        "1 sending | instances 3, de-identified 0, delivered 0",
        "1 completed | instances 3, de-identified 3, delivered 3",
    ]
