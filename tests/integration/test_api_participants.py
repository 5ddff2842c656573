"""Participants by people: under the pattern, of one's site, made up, and never called after the patient."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.api.actor import ProjectRole
from shared.database import Database
from shared.events import StudyAssigned
from shared.tables import Participant, Project
from shared.tables.base import now
from tests.people import person
from tests.unit.api.support import Api, assignment, kind, running, series_rows, study_rows

PROJECT = "ABCD-study"
HERE = f"/projects/{PROJECT}/participants"
STUDY = "1.2.3"
SITES = {"participant_pattern": ".+", "auto_id_pattern": "{site:2}{n:2}"}


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        yield api


@asynccontextmanager
async def asking(api: Api, login: str, *sites: str) -> AsyncIterator[None]:
    """Somebody else asks, who may be bound to sites of the project."""
    await api.add(*person(login, sites=sites, memberships={PROJECT: (ProjectRole.DATA_ENTRY,)}))
    before = api.client.headers["authorization"]
    api.client.headers["authorization"] = f"Bearer fiona_t_{login}"
    yield
    api.client.headers["authorization"] = before


async def names(api: Api, **query: Any) -> list[str]:
    return [each["name"] for each in (await api.get(HERE, **query)).json()["items"]]


async def test_people_add_participants_under_the_pattern(api: Api) -> None:
    await api.project(PROJECT, participant_pattern=r"ABCD-\d{4}|ABCD/x")
    async with asking(api, "kari"):
        answer = await api.post(HERE, {"name": "ABCD-0017", "site": "north"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["Location"] == f"/api/v1{HERE}/ABCD-0017"
    assert (made["site"], made["origin"], made["created_by"], made["studies"]) == ("north", "person", "kari", 0)
    assert (await api.get(f"{HERE}/ABCD-0017")).json() == made
    assert kind(await api.post(HERE, {"name": "ABCD-0017"})) == "participant-exists"
    assert kind(await api.get(f"{HERE}/ABCD-0018")) == "unknown-participant"
    assert kind(await api.post("/projects/nobody/participants", {"name": "X"})) == "unknown-project"
    assert kind(await api.post(HERE, {})) == "no-auto-id"

    place = (await api.post(HERE, {"name": "ABCD/x"})).headers["Location"].removeprefix("/api/v1")
    assert place == f"{HERE}/ABCD%2Fx"
    assert (await api.get(place)).json()["name"] == "ABCD/x", "a name may be whatever the pattern allows"
    assert (await api.post(f"{place}/withdrawal", {"reason": "asked for by letter"})).status_code == 202
    assert kind(await api.get(f"{HERE}/ABCD/withdrawal")) == "unknown-participant"

    refused = await api.post(HERE, {"name": "ABCD-17"})
    assert kind(refused) == "participant-not-allowed"
    assert refused.json()["detail"].endswith("for example ABCD-0001")
    await api.add(assignment(STUDY, PROJECT, "ABCD-0017"))
    item = (await api.get(HERE)).json()["items"][0]
    assert (item["name"], item["studies"]) == ("ABCD-0017", 1)
    async with api.context.database.session() as session:
        (await session.get_one(Participant, (PROJECT, "ABCD-0017"))).withdrawn_at = now()
    await api.add(*study_rows(api.context.vault, "1.9"), *series_rows("1.9", "1.9.1"))
    wish = {"project": PROJECT, "participant": "ABCD-0017"}
    assert kind(await api.post("/studies/1.9/assignments", wish)) == "participant-withdrawn"
    await api.patch(f"/projects/{PROJECT}", {"active": False})
    assert kind(await api.post(HERE, {"name": "ABCD-0018"})) == "project-inactive"


async def test_whoever_is_bound_to_sites_adds_to_and_sees_those(api: Api) -> None:
    await api.project(PROJECT, auto_id_pattern="{site:2}-{n:3}")
    for name, site in (("N1", "north"), ("S1", "south"), ("X1", None)):
        assert (await api.post(HERE, {"name": name, "site": site})).status_code == 201
    await api.add(*study_rows(api.context.vault, STUDY), *series_rows(STUDY, "1.2.3.1"))

    async def assigned(**wish: Any) -> Any:
        return await api.post(f"/studies/{STUDY}/assignments", {"project": PROJECT, **wish})

    assert await names(api) == ["N1", "S1", "X1"]
    assert await names(api, site="south") == ["S1"]
    async with asking(api, "nora", "north"):
        assert await names(api) == ["N1"]
        assert await names(api, site="south") == []
        assert kind(await api.get(f"{HERE}/S1")) == "unknown-participant"
        assert (await api.post(HERE, {"name": "N2"})).json()["site"] == "north"
        assert (await api.post(HERE, {})).json()["name"] == "no-001"
        assert kind(await api.post(HERE, {"name": "N3", "site": "south"})) == "other-site"
        assert kind(await assigned(participant="S1")) == "other-site"
        assert (await assigned(participant="N4")).status_code == 202
        assert (await api.get(f"{HERE}/N4")).json()["created_by"] == "nora"
    async with asking(api, "two", "north", "south"):
        assert kind(await api.post(HERE, {"name": "N5"})) == "invalid-request"
        assert (await api.post(HERE, {"name": "N5", "site": "south"})).status_code == 201
    assert kind(await api.post(HERE, {})) == "no-auto-id", "the name needs a site, and nobody has said one"


async def test_a_project_that_makes_up_participants(api: Api) -> None:
    made = await api.project(
        PROJECT, participant_pattern=r"P\d{3}", auto_id_pattern="P{n:3}", auto_id_aet="ABCD", events=["baseline"]
    )
    assert (made["auto_id_pattern"], made["auto_id_aet"]) == ("P{n:3}", "ABCD")
    vault = api.context.vault
    for uid, patient in (("1.1", "PAT-1"), ("1.2", "PAT-2"), ("1.3", "PAT-1"), ("1.4", "PAT-4")):
        await api.add(*study_rows(vault, uid, patient_id=patient), *series_rows(uid, f"{uid}.1"))
    answers = await asyncio.gather(*(api.post(HERE, {}) for _ in range(4)))
    assert sorted(each.json()["name"] for each in answers) == ["P001", "P002", "P003", "P004"]

    async def assigned(uid: str, **wish: Any) -> Any:
        return await api.post(f"/studies/{uid}/assignments", {"project": PROJECT, "event": "baseline"} | wish)

    first, second, third = [await assigned(uid) for uid in ("1.1", "1.2", "1.3")]
    assert [each.json()["participant"] for each in (first, second, third)] == ["P005", "P006", "P005"]
    assert (await assigned("1.1")).json()["id"] == first.json()["id"], "twice is once"
    assert kind(await assigned("1.4", event="elsewhere")) == "event-not-allowed"
    owed = [each.participant for each in await api.owed() if isinstance(each, StudyAssigned)]
    assert owed[:3] == ["P005", "P006", "P005"]
    assert (await api.get(f"{HERE}/P005")).json()["origin"] == "auto"


@pytest.mark.parametrize(
    ("change", "where", "why"),
    [
        ({"auto_id_pattern": "Q{n:3}"}, "auto_id_pattern", "does not fit"),
        ({"auto_id_pattern": "{m:3}"}, "auto_id_pattern", "no field"),
        ({"participant_pattern": "Q.*"}, "auto_id_pattern", "does not fit"),
        ({"auto_id_pattern": "", "auto_id_aet": "X"}, "auto_id_aet", "needs"),
        (
            {"participant_pattern": ".+", "auto_id_pattern": "{site:2}{n:2}", "auto_id_aet": "X"},
            "auto_id_aet",
            "the site",
        ),
        ({"participant_pattern": "(?=x)"}, "participant_pattern", "look-around"),
    ],
)
async def test_auto_ids_are_checked_when_the_project_is_saved(
    sqlite: Database, tmp_path: Path, change: dict[str, Any], where: str, why: str
) -> None:
    base = {"name": "FIRST-study", "participant_pattern": r"P\d{3}", "auto_id_pattern": "P{n:3}", "destinations": []}
    async with running(sqlite, tmp_path) as api:
        assert (await api.post("/projects", base)).status_code == 201
        made = await api.post("/projects", base | {"name": "OTHER-study"} | change)
        changed = await api.patch("/projects/FIRST-study", change)
    for answer in (made, changed):
        assert kind(answer) == "invalid-request"
        (error,) = answer.json()["errors"]
        assert error["loc"] == ["body", where]
        assert why in error["msg"]


async def test_nobody_is_called_after_the_patient(api: Api) -> None:
    await api.project(PROJECT)
    await api.project("NAMED-study", participant_pattern=r"PAT-\d+")
    await api.add(*study_rows(api.context.vault, STUDY, patient_id="PAT-4711", accession="ACC0815"))
    await api.add(*series_rows(STUDY, "1.2.3.1"))

    async def assigned(participant: str, project: str = PROJECT) -> Any:
        return await api.post(f"/studies/{STUDY}/assignments", {"project": project, "participant": participant})

    for name, what in (("PAT-4711", "PatientID"), ("X-acc0815", "AccessionNumber"), ("01010750160", "national")):
        answer = await assigned(name)
        assert kind(answer) == "participant-resembles-patient"
        assert what in answer.json()["detail"]
        assert name not in answer.text
    assert kind(await api.post(HERE, {"name": "010107 50160"})) == "participant-resembles-patient"
    assert (await assigned("PAT-4711", "NAMED-study")).status_code == 202, "typed at the scanner on purpose"
    assert (await assigned("X-0001")).status_code == 202


async def test_events_that_images_are_assigned_to(api: Api) -> None:
    await api.project(PROJECT, events=["baseline", "blood", "year1"])
    async with api.context.database.session() as session:
        (await session.get_one(Project, PROJECT)).events_without_images = ["blood"]
    events = f"/projects/{PROJECT}/events"
    assert [each["name"] for each in (await api.get(events)).json()["items"]] == ["baseline", "blood", "year1"]
    assert [each["name"] for each in (await api.get(events, imaging=True)).json()["items"]] == ["baseline", "year1"]
    assert (await api.get(events, imaging=False)).json()["items"] == [{"name": "blood", "imaging": False}]
    await api.add(*study_rows(api.context.vault, STUDY), *series_rows(STUDY, "1.2.3.1"))
    wish = {"project": PROJECT, "participant": "X1", "event": "blood"}
    refused = await api.post(f"/studies/{STUDY}/assignments", wish)
    assert kind(refused) == "event-not-allowed"
    assert refused.json()["detail"] == "there are: baseline, year1"
