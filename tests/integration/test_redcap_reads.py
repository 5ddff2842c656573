"""REDCap's tables are taken over by the gateway's own api: they add, and never overrule what people decide here."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from services.redcap.client import Pace, open_http
from services.redcap.mapping import Mapping, ProjectColumns
from services.redcap.settings import RedcapSettings
from services.redcap.takeover.gateway import Gateway
from services.redcap.takeover.reading import Reader
from services.redcap.takeover.taken_over import Takeover
from shared.database import Database
from shared.tables import CouplingEntry, RedcapTaken
from shared.tables.base import now
from tests.components.redcap import Form, Project, RedcapServer, text
from tests.unit.api.support import Api, running

PROJECTS, ROUTING, COUPLING = "B" * 32, "C" * 32, "D" * 32
MAPPING = Mapping(
    projects=ProjectColumns(
        fields={
            "active": "project_active",
            "description": "project_text",
            "participant_pattern": "project_pattern",
            "events": "project_events",
        }
    ),
    new_projects={"destinations": ["here"]},
)


def tables() -> list[Project]:
    """DataTransferProjects, routing and coupling list, as the original has them."""
    yes = text("project_active", kind="yesno")
    names = ("record_id", "project_name", "project_text", "project_pattern", "project_events")
    routing = [text("record_id"), text("routing_active", kind="yesno"), text("routing_event_name")]
    routing += [text("routing_dest_project", kind="dropdown", choices="7, ABCD-study | 8, GONE-study")]
    routing += [text(f"routing_{name}") for name in ("incoming_aetitle", "sending_aetitle")]
    routing += [text(f"routing_allowed_{name}") for name in ("patientid", "patientname")]
    coupling = [text("record_id"), text("cl_accessionnumber"), text("cl_studyinstanceuid")]
    coupling += [text("cl_projectname"), text("cl_subjectid"), text("cl_eventname")]
    return [
        Project(PROJECTS, [Form("projects", [*map(text, names), yes])], rights={"export"}),
        Project(ROUTING, [Form("routing", routing)], rights={"export"}),
        Project(COUPLING, [Form("couplinglist", coupling)], rights={"export"}),
    ]


ON_ONE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""What does not depend on the kind of database is tried on one."""


@pytest.fixture
def server() -> Any:
    with RedcapServer(*tables()) as running:
        say(running, PROJECTS, "1", project_name="ABCD-study", project_active="1", project_pattern=r"ABCD-\d{4}",
            project_text="A cohort", project_events="baseline, year1")  # fmt: skip
        yield running


def say(server: RedcapServer, token: str, record: str, **values: str) -> None:
    """A row in a table."""
    server.projects[token].data.setdefault((record, "", "", 0), {}).update(values)


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "api") as made:
        await made.post("/destinations", {"name": "here", "kind": "folder"})
        yield made


async def read(api: Api, server: RedcapServer, mapping: Mapping = MAPPING) -> list[tuple[str, str, str, str]]:
    """Read all of it once: what could not be agreed on."""
    settings = RedcapSettings(
        url=server.url,
        projects_token=PROJECTS,
        routing_token=ROUTING,
        coupling_token=COUPLING,
    )
    async with open_http(settings) as http:
        context = api.context

        def takeover() -> Takeover:
            return Takeover(context.database, context.vault, Gateway(api.client), mapping)

        found = await Reader(settings, http, Pace(100_000), mapping, takeover).read()
    return [(each.kind, each.subject, each.side, each.what) for each in found]


async def project(api: Api, name: str = "ABCD-study") -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/projects/{name}")).json()
    return found


async def changed(api: Api, path: str, body: dict[str, Any]) -> None:
    """As a person does it."""
    tag = (await api.get(path)).headers["etag"]
    answer = await api.client.patch(f"/api/v1{path}", json=body, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text


async def test_a_project_is_made_once_and_follows_redcap_until_a_person_decides(api: Api, server: RedcapServer) -> None:
    assert await read(api, server) == []
    made = await project(api)
    assert (made["participant_pattern"], made["events"]) == (r"ABCD-\d{4}", ["baseline", "year1"])
    assert (made["destinations"], made["description"], made["active"]) == (["here"], "A cohort", True)
    say(server, PROJECTS, "1", project_text="A cohort, phase 2", project_events="baseline, year1, year2")
    assert await read(api, server) == []
    assert (await project(api))["events"] == ["baseline", "year1", "year2"]
    await changed(api, "/projects/ABCD-study", {"description": "What we call it", "active": False})
    say(server, PROJECTS, "1", project_text="Phase 3", project_events="baseline")
    differs = [
        ("project", "ABCD-study", "both", "active was decided otherwise here"),
        ("project", "ABCD-study", "both", "description was decided otherwise here"),
    ]
    assert sorted(await read(api, server)) == differs
    now_here = await project(api)
    assert (now_here["description"], now_here["active"]) == ("What we call it", False)
    assert now_here["events"] == ["baseline"]
    wins = MAPPING.model_copy(update={"redcap_wins": ("description",)})
    assert await read(api, server, wins) == differs[:1]
    assert (await project(api))["description"] == "Phase 3"


@ON_ONE
async def test_a_project_that_cannot_be_is_reported_and_the_next_one_made(
    api: Api, server: RedcapServer, database: Database
) -> None:
    say(server, PROJECTS, "0", project_name="no", project_active="1", project_pattern="x")
    say(server, PROJECTS, "2", project_name="BROKEN", project_active="1", project_pattern="(")
    say(server, PROJECTS, "3", project_name="CLOSED", project_active="0")
    assert sorted(await read(api, server)) == [
        ("project", "BROKEN", "redcap", "not taken: invalid-request: participant_pattern"),
        ("project", "no", "redcap", "not taken: invalid-request: name"),
    ]
    assert (await project(api))["name"] == "ABCD-study"
    assert (await project(api, "CLOSED"))["active"] is False
    del server.projects[PROJECTS].data["3", "", "", 0]
    assert ("project", "CLOSED", "gateway", "was taken over and is not there any more") in await read(api, server)
    async with database.reading() as session:
        kept = " ".join(str(row.fields) for row in await session.scalars(select(RedcapTaken)))
    assert "ABCD" not in kept


@ON_ONE
async def test_rules_are_made_followed_and_left_alone(api: Api, server: RedcapServer) -> None:
    say(server, ROUTING, "1", routing_active="1", routing_dest_project="7", routing_incoming_aetitle="ABCD",
        routing_allowed_patientid=r"ABCD-\d{4}", routing_event_name="baseline")  # fmt: skip
    say(server, ROUTING, "2", routing_active="0", routing_dest_project="7", routing_allowed_patientname="X.*")
    say(server, ROUTING, "3", routing_active="1", routing_dest_project="8", routing_allowed_patientid="Y.*")
    say(server, ROUTING, "4", routing_active="1", routing_dest_project="7", routing_allowed_patientid="(")
    refused = [
        ("rule", "3", "redcap", "not taken: unknown-project"),
        ("rule", "4", "redcap", "not taken: invalid-request: patient_id"),
    ]
    assert await read(api, server) == refused
    (rule,) = (await api.get("/rules")).json()["items"]
    assert (rule["project"], rule["called_aet"], rule["event"]) == ("ABCD-study", "ABCD", "baseline")
    say(server, ROUTING, "1", routing_allowed_patientid=r"ABCD-\d{5}")
    assert await read(api, server) == refused
    (rule,) = (await api.get("/rules")).json()["items"]
    assert rule["patient_id"] == r"ABCD-\d{5}"
    await changed(api, f"/rules/{rule['id']}", {"patient_id": "ABCD-.*"})
    say(server, ROUTING, "1", routing_allowed_patientid="ABCD-1.*")
    assert ("rule", "1", "both", "patient_id was decided otherwise here") in await read(api, server)
    say(server, ROUTING, "1", routing_active="0", routing_allowed_patientid="ABCD-.*")
    assert await read(api, server) == refused
    (rule,) = (await api.get("/rules")).json()["items"]
    assert (rule["active"], rule["patient_id"]) == (False, "ABCD-.*")
    tag = (await api.get(f"/rules/{rule['id']}")).headers["etag"]
    await api.client.delete(f"/api/v1/rules/{rule['id']}", headers={"If-Match": tag})
    say(server, ROUTING, "1", routing_active="1")
    assert await read(api, server) == [("rule", "1", "redcap", "was taken over and is not here any more"), *refused]


class Dies(Exception):
    """What the service may do at any moment."""


def dies_before(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The next request of a kind to the gateway is not made any more."""

    async def dead(*_: Any) -> Any:
        monkeypatch.undo()
        raise Dies

    monkeypatch.setattr(Gateway, what, dead)


def entry(server: RedcapServer, record: str, accession: str, subject: str, event: str = "baseline") -> None:
    """A row of the coupling list."""
    say(server, COUPLING, record, cl_projectname="ABCD-study", cl_accessionnumber=accession, cl_subjectid=subject,
        cl_eventname=event)  # fmt: skip


async def coupled(api: Api) -> dict[str, str]:
    """The participants who are coupled here, and by which entry."""
    items = (await api.get("/projects/ABCD-study/coupling")).json()["items"]
    return {item["participant"]: item["id"] for item in items}


@ON_ONE
@pytest.mark.parametrize("step", ["make", "change"])
async def test_a_project_that_is_closed_there_does_not_stay_open_here_whatever_is_killed(
    api: Api, server: RedcapServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    assert await read(api, server) == []
    say(server, PROJECTS, "3", project_name="CLOSED", project_active="0")
    dies_before(monkeypatch, step)
    with pytest.raises(Dies):
        await read(api, server)
    assert await read(api, server) == []
    assert (await project(api, "CLOSED"))["active"] is False
    await changed(api, "/projects/CLOSED", {"active": True})
    assert await read(api, server) == [("project", "CLOSED", "both", "active was decided otherwise here")]


@ON_ONE
async def test_a_person_who_is_quicker_is_not_overruled(
    api: Api, server: RedcapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await read(api, server) == []
    listed = Gateway.items

    async def decided_meanwhile(self: Gateway, path: str, **query: str) -> list[dict[str, Any]]:
        found = await listed(self, path, **query)
        if path == "/projects":
            await changed(api, "/projects/ABCD-study", {"description": "What we call it"})
        return found

    monkeypatch.setattr(Gateway, "items", decided_meanwhile)
    say(server, PROJECTS, "1", project_text="Phase 2")
    assert await read(api, server) == [("project", "ABCD-study", "redcap", "not taken: was just changed here")]
    monkeypatch.undo()
    assert await read(api, server) == [("project", "ABCD-study", "both", "description was decided otherwise here")]
    assert (await project(api))["description"] == "What we call it"


async def test_an_entry_that_is_changed_there_and_refused_is_said_until_it_is_right(
    api: Api, server: RedcapServer
) -> None:
    entry(server, "1", "A-1001", "ABCD-0001")
    assert await read(api, server) == []
    entry(server, "1", "A-1001", "Kari Hansen")
    for _ in range(2):
        assert [each[:3] for each in await read(api, server)] == [("coupling", "1", "redcap")]
        assert await coupled(api) == {}, "it is not whose it was"
    entry(server, "1", "A-1001", "ABCD-0002")
    assert await read(api, server) == []
    assert list(await coupled(api)) == ["ABCD-0002"]


@pytest.mark.parametrize("step", ["remove", "make"])
async def test_an_entry_that_is_changed_there_is_changed_here_whatever_is_killed(
    api: Api, server: RedcapServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    entry(server, "1", "A-1001", "ABCD-0001")
    assert await read(api, server) == []
    entry(server, "1", "A-1001", "ABCD-0002")
    dies_before(monkeypatch, step)
    with pytest.raises(Dies):
        await read(api, server)
    assert await read(api, server) == []
    assert list(await coupled(api)) == ["ABCD-0002"]
    await api.delete(f"/projects/ABCD-study/coupling/{(await coupled(api))['ABCD-0002']}")
    assert await read(api, server) == []
    assert await coupled(api) == {}, "what somebody has removed here does not come back"


@ON_ONE
async def test_what_a_person_has_coupled_instead_is_the_persons(
    api: Api, server: RedcapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry(server, "1", "A-1001", "ABCD-0001")
    assert await read(api, server) == []
    entry(server, "1", "A-1001", "Kari Hansen")
    await read(api, server)
    theirs = {"accession_number": "A-1001", "participant": "ABCD-0005", "event": "baseline"}
    await api.post("/projects/ABCD-study/coupling", {"entries": [theirs]})
    entry(server, "1", "A-1001", "ABCD-0002")
    assert await read(api, server) == [("coupling", "1", "both", "the study was coupled otherwise here")]
    assert list(await coupled(api)) == ["ABCD-0005"]


@ON_ONE
async def test_what_is_changed_or_removed_there_afterwards_is_said_each_time(api: Api, server: RedcapServer) -> None:
    entry(server, "1", "A-1001", "ABCD-0001")
    entry(server, "2", "A-1002", "ABCD-0002")
    assert await read(api, server) == []
    here = await coupled(api)
    await api.delete(f"/projects/ABCD-study/coupling/{here['ABCD-0001']}")
    entry(server, "1", "A-1001", "ABCD-0003")
    entry(server, "2", "A-1020", "ABCD-0002")
    differs = [
        ("coupling", "1", "redcap", "was changed there after it had ended here"),
        ("coupling", here["ABCD-0002"], "gateway", "was taken over and is not there any more"),
    ]
    assert await read(api, server) == differs
    assert await read(api, server) == differs
    await api.delete(f"/projects/ABCD-study/coupling/{here['ABCD-0002']}")
    entry(server, "1", "A-1001", "ABCD-0001")
    assert await read(api, server) == []


@ON_ONE
async def test_of_two_rows_that_contradict_each_other_one_counts_and_nothing_goes_to_and_fro(
    api: Api, server: RedcapServer
) -> None:
    for record in ("1", "2"):
        say(server, PROJECTS, record, project_name="ABCD-study", project_active="1", project_text=f"Row {record}")
        entry(server, record, "A-1001", f"ABCD-000{record}")
    entry(server, "3", "A-1003", "ABCD-0003")
    entry(server, "4", "A-1003", "ABCD-0003")
    says = "another row says otherwise of the same"
    for _ in range(3):
        assert await read(api, server) == [("project", "1", "redcap", says), ("coupling", "1", "redcap", says)]
        assert (await project(api))["description"] == "Row 2"
        assert sorted(await coupled(api)) == ["ABCD-0002", "ABCD-0003"]


async def test_coupling_entries_come_once(api: Api, server: RedcapServer, database: Database) -> None:
    entry(server, "1", "A-1001", "ABCD-0001")
    entry(server, "2", "A-1002", "Kari Hansen")
    entry(server, "3", "A-1003", "ABCD-0003")
    say(server, COUPLING, "4", cl_projectname="ABCD-study", cl_studyinstanceuid="1.2.3", cl_subjectid="ABCD-0004")
    found = await read(api, server)
    assert [each[:3] for each in found] == [("coupling", "2", "redcap"), ("coupling", "4", "redcap")]
    assert not any("Kari" in each[3] or "A-1002" in each[3] for each in found)
    assert sorted(await coupled(api)) == ["ABCD-0001", "ABCD-0003"]
    entry(server, "1", "A-1001", "ABCD-0009")
    entry(server, "2", "A-1002", "ABCD-0002")
    say(server, COUPLING, "4", cl_eventname="year1")
    assert await read(api, server) == []
    assert sorted(await coupled(api)) == ["ABCD-0002", "ABCD-0003", "ABCD-0004", "ABCD-0009"]
    assert (await api.delete(f"/projects/ABCD-study/coupling/{(await coupled(api))['ABCD-0003']}")).status_code == 204
    async with database.session() as session:
        mine = CouplingEntry.participant == "ABCD-0004"
        await session.execute(update(CouplingEntry).where(mine).values(expires_at=now()))
        mine = CouplingEntry.participant == "ABCD-0002"
        await session.execute(update(CouplingEntry).where(mine).values(participant="ABCD-0022"))
    assert await read(api, server) == [("coupling", "2", "both", "the study was coupled otherwise here")]
    assert sorted(await coupled(api)) == ["ABCD-0009", "ABCD-0022"]
