"""When a project takes studies, and who may move it on."""

from datetime import date
from itertools import product
from typing import Any

import pytest

from shared.registry.projects import OPEN, TRANSITIONS, may_move, open_for_transfers
from shared.tables import Project

DAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, None),
        ({"state": "development"}, None),
        ({"starts_on": DAY, "ends_on": date(2026, 6, 2)}, None),
        ({"state": "archived"}, "the project is archived"),
        ({"state": "deleted"}, "the project is deleted"),
        ({"active": False}, "the project is not active"),
        ({"starts_on": date(2026, 6, 2)}, "the project's approval begins on 2026-06-02"),
        ({"ends_on": DAY}, "the project's approval has ended on 2026-06-01"),
    ],
)
def test_open_for_transfers(values: dict[str, Any], why: str | None) -> None:
    assert open_for_transfers(Project(**{"state": "production", "active": True} | values), DAY) == why


def test_the_way_of_a_project_ends() -> None:
    states = {state for pair in TRANSITIONS for state in pair}
    assert states > OPEN
    for before, after in product(states, states):
        assert may_move(before, after, "administrator") == ("administrator" in TRANSITIONS.get((before, after), ()))
    assert not any(before in ("rejected", "deleted") for before, _ in TRANSITIONS)
    assert not may_move("production", "deleted", "administrator"), "nothing is deleted without the archive's time"
