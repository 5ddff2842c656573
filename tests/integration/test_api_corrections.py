"""What people wish of a study at the same moment, and what they want put right, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from shared.database import Database
from shared.events import (
    AssignmentCorrected,
    ResendRequested,
    StudyAssigned,
    TransferCancelled,
    WithdrawalConfirmed,
    WithdrawalRetried,
)
from shared.tables import Assignment, Project, Transfer, Withdrawal, WithdrawalPart
from tests.unit.api.support import Api, assignment, kind, running, series_rows, study_rows

PROJECT = "ABCD-study"
STUDY = "1.2.3"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    """An api with a project and a study of one series."""
    async with running(database, tmp_path / "store") as api:
        await api.project()
        await api.add(*study_rows(api.context.vault, STUDY), *series_rows(STUDY, "1.2.3.1"))
        yield api


async def test_of_many_who_assign_a_study_at_once_one_wins_and_the_others_are_told(api: Api) -> None:
    people = [f"X{number}" for number in range(8)]
    answers = await asyncio.gather(
        *(api.post(f"/studies/{STUDY}/assignments", {"project": PROJECT, "participant": name}) for name in people)
    )
    [won] = [each for each in answers if each.status_code == 202]
    [event] = await api.owed()
    assert isinstance(event, StudyAssigned)
    assert (event.assignment, event.participant) == (won.json()["id"], won.json()["participant"])
    for lost in (each for each in answers if each is not won):
        assert (lost.status_code, kind(lost)) == (409, "assigned-otherwise")
        assert lost.json()["detail"] == f"it is {event.participant} (Unknown) in {PROJECT} already"


async def test_one_study_in_two_projects_at_once(api: Api) -> None:
    await api.project("SECOND")
    answers = await asyncio.gather(
        *(
            api.post(f"/studies/{STUDY}/assignments", {"project": project, "participant": "X1"})
            for project in (PROJECT, "SECOND")
        )
    )
    assert [each.status_code for each in answers] == [202, 202]
    assert len(await api.owed()) == 2


async def test_what_was_refused_keeps_nobody_out(api: Api) -> None:
    wish = {"project": PROJECT, "participant": "X1"}
    identity = (await api.post(f"/studies/{STUDY}/assignments", wish)).json()["id"]
    refused = assignment(STUDY, PROJECT, "", refused="the project is not active")
    refused.id = identity
    await api.add(refused)
    assert (await api.post(f"/studies/{STUDY}/assignments", wish | {"participant": "X2"})).status_code == 202


def transfer(identity: str, of: str, state: str = "failed") -> Transfer:
    return Transfer(
        id=identity, assignment=of, study_instance_uid=STUDY, project=PROJECT, participant="X1", event="e",
        reason="person", state=state,
    )  # fmt: skip


async def test_resends(api: Api) -> None:
    in_force = assignment(STUDY, PROJECT)
    await api.add(in_force, transfer("t1", in_force.id))
    for scope in ({"transfer": "t1"}, {"study": STUDY}, {"series": "1.2.3.1"}, {"since": "2026-01-02T00:00:00+01:00"}):
        answer = await api.post("/resends", {"project": PROJECT, "reason": "Doe^Jane is lost there", **scope})
        assert answer.status_code == 202, answer.text
        made = answer.json()
        assert (made["kind"], made["reason"], made["transfers"]) == ("resend", "Doe^Jane is lost there", {})
        assert (await api.client.get(answer.headers["location"])).json() == made
    events = await api.owed()
    assert all(isinstance(event, ResendRequested) for event in events)
    assert "Doe" not in str(events)
    told = [event.model_dump(exclude_none=True, exclude={"correction", "project", "after"}) for event in events]
    assert told == [
        {"study_instance_uid": STUDY, "transfer": "t1"},
        {"study_instance_uid": STUDY},
        {"study_instance_uid": STUDY, "series_instance_uid": "1.2.3.1"},
        {"since": datetime.fromisoformat("2026-01-01T23:00:00Z")},
    ]
    again = transfer("t2", in_force.id, "sending")
    again.correction = made["id"]
    await api.add(again)
    assert (await api.get(f"/corrections/{made['id']}")).json()["transfers"] == {"sending": 1}
    assert [each["id"] for each in (await api.get("/transfers", correction=made["id"])).json()["items"]] == ["t2"]
    listed = (await api.get("/corrections", project=PROJECT, kind="resend")).json()
    assert (listed["total"], listed["items"][0]["id"]) == (4, made["id"])


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"project": "nobody", "study": STUDY}, "unknown-project"),
        ({"project": "asleep", "study": STUDY}, "project-inactive"),
        ({"study": STUDY}, "unknown-assignment"),
        ({"series": "9.9"}, "unknown-series"),
        ({"transfer": "t9"}, "unknown-transfer"),
        ({}, "invalid-request"),
        ({"study": STUDY, "series": "1.2.3.1"}, "invalid-request"),
        ({"since": "2026-01-02T00:00:00"}, "invalid-request"),
        ({"since": "5"}, "invalid-request"),
        ({"since": "9999-01-01T00:00:00Z"}, "invalid-request"),
    ],
)
async def test_resends_that_cannot_be(api: Api, wish: dict[str, str], expected: str) -> None:
    await api.project("asleep")
    await api.patch("/projects/asleep", {"active": False})
    assert kind(await api.post("/resends", {"project": PROJECT, "reason": "again", **wish})) == expected
    assert kind(await api.get("/corrections/nothing")) == "unknown-correction"


@pytest.mark.parametrize(
    ("state", "expected"), [("asked", 409), ("by_hand", 409), ("confirmed", 202), ("withdrawn", 202)]
)
async def test_a_resend_of_what_has_still_to_leave_is_refused_and_not_forgotten(
    api: Api, state: str, expected: int
) -> None:
    in_force = assignment(STUDY, PROJECT)
    await api.add(in_force, transfer("t1", in_force.id, "cancelled"))
    of = {"project": PROJECT, "study_instance_uid": STUDY}
    await api.add(Withdrawal(id="c1", kind="cancel", participant="X1", state="under_way", **of))
    await api.add(WithdrawalPart(withdrawal="c1", transfer="t1", destination="here", state=state, **of))
    for scope in ({"transfer": "t1"}, {"study": STUDY}, {"series": "1.2.3.1"}):
        answer = await api.post("/resends", {"project": PROJECT, "reason": "again", **scope})
        assert answer.status_code == expected, answer.text
        assert expected == 202 or "see withdrawal c1" in answer.json()["detail"]
    if expected == 202:
        await api.add(transfer("t2", in_force.id, "failed"))
        assert (await api.post("/transfers/t2/cancel", {"reason": "not wanted"})).status_code == 202
        answer = await api.post("/resends", {"project": PROJECT, "reason": "again", "study": STUDY})
        assert kind(answer) == "still-leaving", "the router has not seen it yet"


async def test_of_two_who_correct_an_assignment_at_once_one_wins(api: Api) -> None:
    wrong = assignment(STUDY, PROJECT)
    await api.add(wrong)
    path = f"/assignments/{wrong.id}/correction"
    people = ["X2", "X3", "X4"]
    answers = await asyncio.gather(
        *(api.post(path, {"project": PROJECT, "participant": name, "reason": "Doe^Jane, not X1"}) for name in people)
    )
    [won] = [each for each in answers if each.status_code == 202]
    assert {kind(each) for each in answers if each is not won} == {"correction-open"}
    made = won.json()
    assert (made["kind"], made["assignment"], made["participant"]) == ("correction", wrong.id, "X1")
    [event] = await api.owed()
    assert isinstance(event, AssignmentCorrected)
    assert (event.correction, event.becomes) == (made["id"], made["becomes"])
    assert event.participant in people
    assert "Doe" not in str(event)
    shown = (await api.client.get(won.headers["location"])).json()
    assert (shown["state"], shown["kind"], shown["participant"], shown["parts"]) == ("pending", "correction", "X1", [])
    assert (await api.get(f"/assignments/{made['becomes']}")).json()["state"] == "pending"
    assert kind(await api.post(f"/assignments/{wrong.id}/cancel", {"reason": "no"})) == "correction-open"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ({}, "nothing-to-correct"),
        ({"project": "nobody"}, "unknown-project"),
        ({"project": "asleep"}, "project-inactive"),
        ({"project": "SECOND", "participant": "X2"}, "assigned-otherwise"),
        ({"participant": "Y"}, "participant-not-allowed"),
    ],
)
async def test_corrections_that_cannot_be(api: Api, to: dict[str, str], expected: str) -> None:
    await api.project("asleep")
    await api.project("SECOND")
    async with api.context.database.session() as session:
        (await session.get_one(Project, PROJECT)).participant_pattern = "X.*"
        (await session.get_one(Project, "asleep")).active = False
    wrong = assignment(STUDY, PROJECT)
    await api.add(wrong, assignment(STUDY, "SECOND"))
    wish = {"project": PROJECT, "participant": "X1", "reason": "why", **to}
    assert kind(await api.post(f"/assignments/{wrong.id}/correction", wish)) == expected
    assert kind(await api.post("/assignments/nothing/correction", wish)) == "unknown-assignment"


async def test_cancelling(api: Api) -> None:
    ended, in_force = assignment(STUDY, PROJECT), assignment(STUDY, PROJECT)
    ended.ended_at, ended.ended_by = datetime.fromisoformat("2026-01-01T00:00:00Z"), "c0"
    await api.add(ended, in_force, transfer("t1", in_force.id, "sending"), transfer("t2", in_force.id, "completed"))
    assert (await api.get(f"/assignments/{ended.id}")).json()["state"] == "ended"
    assert kind(await api.post(f"/assignments/{ended.id}/cancel", {"reason": "no"})) == "not-in-force"
    assert kind(await api.post("/transfers/t2/cancel", {"reason": "no"})) == "transfer-ended"
    assert kind(await api.post("/transfers/t9/cancel", {"reason": "no"})) == "unknown-transfer"
    first = (await api.post("/transfers/t1/cancel", {"reason": "too many"})).json()
    second = (await api.post(f"/assignments/{in_force.id}/cancel", {"reason": "not ours"})).json()
    assert await api.owed() == [
        TransferCancelled(correction=first["id"], transfer="t1"),
        AssignmentCorrected(correction=second["id"], assignment=in_force.id, study_instance_uid=STUDY),
    ]
    listed = (await api.get("/corrections", study=STUDY, kind="cancel")).json()
    assert [each["reason"] for each in listed["items"]] == ["not ours", "too many"]


async def test_what_waits_for_a_person_is_ticked_off(api: Api) -> None:
    wrong = assignment(STUDY, PROJECT)
    await api.add(wrong, transfer("t1", wrong.id, "cancelled"))
    of = {"project": PROJECT, "study_instance_uid": STUDY}
    await api.add(Withdrawal(id="c1", kind="correction", participant="X1", state="by_hand", **of))
    for destination, state, withdrawn in (("here", "withdrawn", 3), ("there", "by_hand", 0)):
        await api.add(
            WithdrawalPart(withdrawal="c1", transfer="t1", destination=destination, state=state, instances=3,
                           withdrawn=withdrawn, target_study_instance_uid="2.25.1", **of)
        )  # fmt: skip
    [found] = (await api.get("/withdrawals", state="by_hand", project=PROJECT)).json()["items"]
    assert (found["id"], found["instances"], found["withdrawn"]) == ("c1", 6, 3)
    wrong_place = {"destination": "here", "note": "done"}
    assert kind(await api.post("/withdrawals/c1/done", wrong_place)) == "nothing-by-hand"
    assert kind(await api.post("/withdrawals/c9/done", wrong_place)) == "unknown-correction"
    assert kind(await api.post("/withdrawals/c1/retry", {"destination": "here"})) == "nothing-by-hand"
    again = await api.post("/withdrawals/c1/retry", {})
    [retried] = await api.owed()
    assert isinstance(retried, WithdrawalRetried)
    assert (again.status_code, retried.transfer, retried.destination) == (202, "t1", "there")
    shown = (await api.post("/withdrawals/c1/done", {"note": "deleted Doe^Jane in the console"})).json()
    assert [(each["destination"], each["note"]) for each in shown["parts"]] == [
        ("here", None), ("there", "deleted Doe^Jane in the console"),
    ]  # fmt: skip
    assert await api.owed() == [retried, WithdrawalConfirmed(withdrawal="c1", transfer="t1", destination="there")]
    await api.post("/withdrawals/c1/done", {"note": "twice"})
    assert len(await api.owed()) == 2
    assert (await api.get("/withdrawals/c1")).json()["parts"][1]["note"] == "deleted Doe^Jane in the console"
    async with api.context.database.reading() as session:
        assert (await session.get_one(Assignment, wrong.id)).in_force
