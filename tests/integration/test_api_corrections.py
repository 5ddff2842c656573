"""What people wish of a study at the same moment, and what they want put right, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from shared.database import Database
from shared.events import ResendRequested, StudyAssigned
from shared.tables import Transfer
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
    assert (await api.get(f"/resends/{made['id']}")).json()["transfers"] == {"sending": 1}
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
    ],
)
async def test_resends_that_cannot_be(api: Api, wish: dict[str, str], expected: str) -> None:
    await api.project("asleep")
    await api.patch("/projects/asleep", {"active": False})
    assert kind(await api.post("/resends", {"project": PROJECT, "reason": "again", **wish})) == expected
    assert kind(await api.get("/resends/nothing")) == "unknown-correction"
