"""The demo's accounts see every way in which a count can be wrong."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli.client import Item
from cli.demo.accounts import Row, checks, rows, sent, totals
from cli.dicom.files import Sendable
from cli.dicom.store import Outcome
from shared.scu.statuses import NO_ANSWER

PROJECT = "DEMO_PROJECT"


def outcome(sop: str, digest: str = "a", study: str = "1.1", status: int = 0) -> Outcome:
    return Outcome(Sendable(Path(sop), "1.2", sop, "1.3", study, 1, digest, 0), status)


OUTCOMES = [
    outcome("2.1"),
    outcome("2.1"),
    outcome("2.1", "b"),
    outcome("2.1", "b"),
    outcome("2.2", study="1.2"),
    outcome("2.3", study="", status=0xC001),
    outcome("2.4", status=0xA700),
    outcome("2.4"),
]


def test_sent() -> None:
    mine = sent(OUTCOMES)
    assert (mine.offered, mine.acknowledged, len(mine.refused)) == (8, 6, 2)
    assert (len(mine.new), mine.duplicates, mine.conflicts) == (3, 2, 1)
    assert mine.by_study == Counter({"1.1": 2, "1.2": 1})


def study(uid: str, instances: int, **more: Any) -> Item:
    return {
        "study_instance_uid": uid,
        "instances": instances,
        "modalities": ["MR"],
        "arrived_at": "now",
        **more,
    }


def assignment(refused: str | None = None, project: str = PROJECT) -> Item:
    return {"project": project, "participant": "DEMO001", "refused": refused}


def transfer(uid: str, state: str, instances: int, quarantined: int = 0) -> Item:
    passed = instances - quarantined
    return {
        "study_instance_uid": uid, "state": state, "instances": instances, "anonymized": passed,
        "quarantined": quarantined, "delivered": passed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("assignments", "transfers", "state"),
    [
        ([], [], "waiting"),
        ([assignment(project="OTHER")], [], "waiting"),
        ([assignment("no")], [], "refused"),
        ([assignment()], [], "assigned"),
        ([assignment()], [transfer("1.1", "completed", 1)], "assigned"),
        ([assignment()], [transfer("1.1", "completed", 1), transfer("1.1", "sending", 1)], "sending"),
        ([assignment()], [transfer("1.1", "completed", 1), transfer("1.1", "completed", 1)], "completed"),
        ([assignment()], [transfer("1.1", "failed", 1), transfer("1.1", "quarantined", 1)], "failed"),
        (
            [assignment()],
            [transfer("1.1", "completed", 1), transfer("1.1", "quarantined", 1, 1)],
            "quarantined",
        ),
    ],
)
def test_the_state_of_a_study(assignments: list[Item], transfers: list[Item], state: str) -> None:
    (row,) = rows(Counter({"1.1": 2}), [study("1.1", 2, assignments=assignments)], transfers, PROJECT)
    assert row.state == state
    assert row.done == (state in ("completed", "quarantined", "failed"))


def test_a_study_that_is_not_catalogued_yet() -> None:
    (row,) = rows(Counter({"1.1": 2}), [], [], PROJECT)
    assert (row.state, row.received, row.indexed, row.done) == ("receiving", 2, 0, False)


def account(**wrong: int) -> list[str]:
    """What disagrees when one number is wrong."""
    mine = sent([*OUTCOMES[:6], outcome("2.4")])
    counts = {"instances": 3, "conflicts": 1, "dead": 0} | {
        k: v for k, v in wrong.items() if k in ("instances", "conflicts", "dead")
    }
    numbers = {"received": 2, "indexed": 2, "assigned": 2, "anonymized": 1, "quarantined": 1, "delivered": 1}
    numbers |= {key: value for key, value in wrong.items() if key in numbers}
    final = [
        Row("1.1", "MR", "DEMO001", **numbers, state="quarantined"),
        Row("1.2", "MR", "DEMO002", 1, 1, 1, 1, 0, 1, "completed"),
    ]
    return [said for said, left, right in checks(mine, counts, final, wrong.get("in_folder", 2)) if left != right]


def test_all_agree() -> None:
    assert account() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"instances": 2}, {"conflicts": 0}, {"dead": 1}, {"indexed": 1}, {"assigned": 0}, {"anonymized": 2},
        {"quarantined": 0}, {"delivered": 0}, {"in_folder": 3},
    ],
)  # fmt: skip
def test_one_wrong_number_is_seen(wrong: dict[str, int]) -> None:
    assert account(**wrong)


def test_a_whole_instance_that_was_not_taken_is_seen() -> None:
    mine = sent([outcome("2.1", status=NO_ANSWER)])
    said = checks(mine, {"instances": 0, "conflicts": 0, "dead": 0}, [], 0)
    assert [statement for statement, left, right in said if left != right] == [
        "refused = files that are no whole instance of a study"
    ]


def test_totals() -> None:
    assert totals([])["indexed"] == 0
