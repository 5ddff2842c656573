"""Every endpoint of the api on both databases, with its error answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy import event as sqlalchemy_event

from services.api.lists import latest_first
from services.api.resources.catalogue import BY_ARRIVAL, waiting
from shared.bus import Bury, Delivery, Fate, Message
from shared.database import Database
from shared.events import StudyArrived, StudyAssigned
from shared.ledger import claim
from shared.tables import (
    InstanceConflict,
    Participant,
    Project,
    QuarantinedInstance,
    Study,
    StudyIdentity,
    Transfer,
    TransferPart,
)
from shared.tables.base import now
from tests.unit.api.support import Api, assignment, patient_rows, running, series_rows, study_rows

PROJECT = "ABCD-study"
STUDY = "1.2.3"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        yield api


async def kind(answer: Any) -> str:
    """The kind of a problem."""
    return str(answer.json()["type"]).rpartition(":")[2]


async def with_study(api: Api, uid: str = STUDY, **values: Any) -> None:
    """A study with one series of two instances."""
    await api.add(*study_rows(api.context.vault, uid, **values), *series_rows(uid, f"{uid}.1"))


async def test_studies_with_their_identities_and_assignments(api: Api) -> None:
    await with_study(api, accession="ACC-1", patient_id="P-1")
    await with_study(api, "1.2.4", arrived=False, first_seen_at=now() - timedelta(days=1))
    await api.project()
    await api.add(assignment("1.2.4", PROJECT), assignment(STUDY, PROJECT, "", refused="no such event"))

    both = (await api.get("/studies")).json()
    assert both["total"] == 2
    first, second = both["items"]
    assert first["study_instance_uid"] == STUDY
    assert (first["accession_number"], first["patient_id"]) == ("ACC-1", "P-1")
    assert (first["study_description"], first["institution_name"]) == ("MR brain", "Clinic")
    assert first["operators_name"] is None
    assert first["arrived_at"].endswith("Z")
    assert [each["refused"] for each in first["assignments"]] == ["no such event"]
    assert second["arrived_at"] is None
    assert second["assignments"][0]["participant"] == "X1"

    async def uids(**query: Any) -> list[str]:
        answer = await api.get("/studies", **query)
        return [each["study_instance_uid"] for each in answer.json()["items"]]

    gone = study_rows(api.context.vault, "1.2.5", first_seen_at=now() - timedelta(days=200))
    gone[0].removed_at = now() - timedelta(days=20)
    await api.add(*gone)
    assert await uids() == [STUDY, "1.2.4", "1.2.5"]
    assert await uids(state="waiting") == [STUDY], "what a policy has removed waits for nobody"
    assert await uids(state="assigned") == ["1.2.4"]
    assert await uids(limit=1, offset=1) == ["1.2.4"]
    assert (await api.get("/studies", state="else")).status_code == 422
    assert (await api.get("/studies", limit=1001)).status_code == 422

    assert (await api.get(f"/studies/{STUDY}")).json() == first
    assert await kind(await api.get("/studies/9.9")) == "unknown-study"
    assert (await api.get("/studies/Doe^Jane")).status_code == 422


async def test_a_study_whose_identity_is_not_there(api: Api) -> None:
    study, _ = study_rows(api.context.vault, STUDY)
    await api.add(study)
    assert (await api.get(f"/studies/{STUDY}")).json()["accession_number"] is None


async def test_search_by_identity(api: Api) -> None:
    vault = api.context.vault
    old = now() - timedelta(days=10)
    await api.add(*patient_rows(vault, "P-1"), *patient_rows(vault, "P-1", issuer="B"), *patient_rows(vault, "P-2"))
    await with_study(api, "1.1", patient_id="P-1", accession="A 1", first_seen_at=old)
    await with_study(api, "1.2", patient_id="P-1", issuer="B")
    await with_study(api, "1.3", patient_id="P-2")
    await api.add(assignment("1.2", PROJECT))

    async def found(**search: Any) -> set[str]:
        answer = await api.post("/studies/search", search)
        assert answer.status_code == 200
        return {each["study_instance_uid"] for each in answer.json()["items"]}

    assert await found() == {"1.1", "1.2", "1.3"}
    assert await found(patient_id="P-1") == {"1.1", "1.2"}, "whoever issued the id"
    assert await found(patient_id=" P-2 ") == {"1.3"}
    assert await found(patient_id="P") == set()
    assert await found(accession_number="A 1") == {"1.1"}
    assert await found(patient_id="P-1", days=5) == {"1.2"}
    assert await found(state="waiting") == {"1.1", "1.3"}
    assert await found(project=PROJECT) == {"1.2"}


async def test_series_and_files(api: Api) -> None:
    await with_study(api)
    await api.add(*series_rows(STUDY, "1.2.3.2", instances=3, revision=0))
    series = (await api.get(f"/studies/{STUDY}/series")).json()
    assert series["total"] == 2
    assert [each["arrived"] for each in series["items"]] == [True, False]
    assert series["items"][0]["classify_types"] == ["T1"]
    files = (await api.get(f"/studies/{STUDY}/files", limit=2)).json()
    assert files["total"] == 5
    assert files["items"][0] == {
        "sop_instance_uid": "1.2.3.1.1",
        "path": "archive/scp_1.2.3/1.2.3.1.1.dcm",
        "size": 1000,
    }
    one = (await api.get("/series/1.2.3.1")).json()
    assert (one["study_instance_uid"], one["header"]) == (STUDY, {"EchoTime": "2.98"})
    assert await kind(await api.get("/series/9.9")) == "unknown-series"
    assert await kind(await api.get("/studies/9.9/series")) == "unknown-study"
    assert await kind(await api.get("/studies/9.9/files")) == "unknown-study"


async def test_projects(api: Api) -> None:
    made = await api.project(participant_pattern=r"X\d+", events=["baseline"])
    assert made["active"]
    assert made["profile"] == "basic"
    assert "key" not in " ".join(made)
    assert await kind(await api.post("/projects", {"name": PROJECT})) == "project-exists"
    answer = await api.post("/projects", {"name": "other", "destinations": ["here", "nowhere"]})
    assert answer.json()["errors"][0]["loc"] == ["body", "destinations", 1]
    for name in ("four", "a" * 21, "sp ace", "dots.dots", "../../etc"):
        assert (await api.post("/projects", {"name": name})).status_code == 422
    for wrong in ({"profile": "none"}, {"participant_pattern": "("}, {"participant_pattern": "x" * 201}):
        assert (await api.post("/projects", {"name": "other", **wrong})).status_code == 422
    assert (await api.get("/projects")).json() == {"items": [made], "total": 1}

    async with api.context.database.reading() as session:
        row = await session.get_one(Project, PROJECT)
    assert len(api.context.vault.decrypt_bytes(row.encrypted_key)) == 32

    await api.add(Participant(project=PROJECT, name="X1"), Participant(project=PROJECT, name="X2"))
    taken = assignment(STUDY, PROJECT)
    await api.add(taken, assignment("1.2.4", PROJECT), assignment("1.2.5", PROJECT, "", refused="no"))
    await api.add(transfer(taken.id, "t1", "completed"), transfer(taken.id, "t2", "sending"))
    shown = (await api.get(f"/projects/{PROJECT}")).json()
    assert (shown["participants"], shown["studies"]) == (2, 2)
    assert shown["transfers"] == {"completed": 1, "sending": 1}
    people = (await api.get(f"/projects/{PROJECT}/participants")).json()
    assert [(each["name"], each["studies"]) for each in people["items"]] == [("X1", 2), ("X2", 0)]
    assert await kind(await api.get("/projects/nobody")) == "unknown-project"
    assert await kind(await api.get("/projects/nobody/participants")) == "unknown-project"


async def test_two_projects_of_one_name_at_once(api: Api) -> None:
    answers = await asyncio.gather(*(api.post("/projects", {"name": PROJECT}) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409, 409]


async def test_an_assignment_from_wish_to_force(api: Api) -> None:
    await with_study(api)
    await api.project(events=["Unknown"])
    wish = {"project": PROJECT, "participant": "X1"}
    answer = await api.post(f"/studies/{STUDY}/assignments", wish)
    assert answer.status_code == 202
    pending = answer.json()
    assert pending["state"] == "pending"
    [event] = await api.owed()
    assert event == StudyAssigned(
        assignment=pending["id"], study_instance_uid=STUDY, project=PROJECT, participant="X1", event="Unknown"
    )

    again = await api.post(f"/studies/{STUDY}/assignments", wish)
    assert (again.status_code, again.json()) == (202, pending)
    assert len(await api.owed()) == 1
    assert (await api.get(f"/assignments/{pending['id']}")).json()["state"] == "pending"

    taken = assignment(STUDY, PROJECT)
    taken.id = pending["id"]
    await api.add(taken)
    shown = (await api.get(f"/assignments/{pending['id']}")).json()
    assert (shown["state"], shown["participant"]) == ("in_force", "X1")
    again = await api.post(f"/studies/{STUDY}/assignments", wish)
    assert (again.status_code, again.json()) == (200, shown)
    for other in ({"participant": "X2"}, {"event": "Unknown2"}):
        answer = await api.post(f"/studies/{STUDY}/assignments", wish | other)
        assert await kind(answer) == "assigned-otherwise"


async def test_an_assignment_that_was_refused_can_be_tried_again(api: Api) -> None:
    await with_study(api)
    await api.project()
    wish = {"project": PROJECT, "participant": "X1"}
    first = (await api.post(f"/studies/{STUDY}/assignments", wish)).json()["id"]
    refused = assignment(STUDY, PROJECT, "", refused="the project is not active")
    refused.id = first
    await api.add(refused)
    assert (await api.get(f"/assignments/{first}")).json()["state"] == "refused"
    second = (await api.post(f"/studies/{STUDY}/assignments", wish)).json()["id"]
    assert second != first
    assert len(await api.owed()) == 2


async def test_an_assignment_that_another_reason_has_overtaken(api: Api) -> None:
    await with_study(api)
    await api.project()
    wish = {"project": PROJECT, "participant": "X1"}
    identity = (await api.post(f"/studies/{STUDY}/assignments", wish)).json()["id"]
    [event] = await api.owed()
    async with api.context.database.session() as session:
        await claim(session, "router.study.assigned.v1", Message.of(event).id)
    assert (await api.get(f"/assignments/{identity}")).json()["state"] == "in_force"


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"project": "nobody"}, "unknown-project"),
        ({"project": "empty"}, "project-without-destination"),
        ({"project": "asleep"}, "project-inactive"),
        ({"participant": "Y1"}, "participant-not-allowed"),
        ({"participant": "X1\n"}, "invalid-request"),
        ({"participant": "X1\\2"}, "invalid-request"),
        ({"participant": ""}, "invalid-request"),
        ({"event": "never"}, "event-not-allowed"),
    ],
)
async def test_assignments_that_cannot_be(api: Api, wish: dict[str, str], expected: str) -> None:
    await with_study(api)
    await api.project(participant_pattern=r"X\d+", events=["baseline"])
    await api.post("/projects", {"name": "empty"})
    await api.project("asleep")
    async with api.context.database.session() as session:
        (await session.get_one(Project, "asleep")).active = False
    whole = {"project": PROJECT, "participant": "X1", "event": "baseline"} | wish
    answer = await api.post(f"/studies/{STUDY}/assignments", whole)
    assert await kind(answer) == expected
    if expected == "participant-not-allowed":
        assert r"X\d+" in answer.json()["detail"]
    assert "Y1" not in answer.text
    assert await api.owed() == []


async def test_assignments_of_nothing(api: Api) -> None:
    await api.project()
    wish = {"project": PROJECT, "participant": "X1"}
    assert await kind(await api.post("/studies/9.9/assignments", wish)) == "unknown-study"
    nobody = "/assignments/6f1de0f5-53d6-8f0e-a36f-4a6dd1a5a001"
    assert await kind(await api.get(nobody)) == "unknown-assignment"
    assert (await api.get("/assignments/Doe^Jane")).status_code == 422


async def test_two_assigns_at_once_are_one_wish(api: Api) -> None:
    await with_study(api)
    await api.project()
    wish = {"project": PROJECT, "participant": "X1"}
    answers = await asyncio.gather(*(api.post(f"/studies/{STUDY}/assignments", wish) for _ in range(8)))
    assert {each.status_code for each in answers} == {202}
    assert len({each.json()["id"] for each in answers}) == 1
    assert len(await api.owed()) == 1


async def test_rules(api: Api) -> None:
    await api.project(events=["baseline"])
    rule = {"project": PROJECT, "position": 2, "called_aet": "ABCD", "patient_id": "X.*", "event": "baseline"}
    made = await api.post("/rules", rule)
    assert made.status_code == 201
    first = await api.post("/rules", rule | {"position": 1})
    listed = (await api.get("/rules")).json()
    assert listed == {"items": [first.json(), made.json()], "total": 2}
    assert await kind(await api.post("/rules", rule | {"project": "nobody"})) == "unknown-project"
    assert await kind(await api.post("/rules", rule | {"event": "never"})) == "event-not-allowed"
    for wrong in (
        {"patient_id": "["},
        {"patient_id": None},
        {"patient_name": "x" * 201},
        {"called_aet": "x" * 17},
    ):
        assert (await api.post("/rules", rule | wrong)).status_code == 422
    assert (await api.delete(f"/rules/{made.json()['id']}")).status_code == 204
    assert await kind(await api.delete(f"/rules/{made.json()['id']}")) == "unknown-rule"
    assert (await api.get("/rules")).json()["total"] == 1


def transfer(of: str, identity: str, state: str = "sending", destinations: tuple[str, ...] = ("a",)) -> Transfer:
    """What the router writes of a transfer."""
    return Transfer(
        id=identity,
        assignment=of,
        study_instance_uid=STUDY,
        project=PROJECT,
        participant="X1",
        event="Unknown",
        destinations=list(destinations),
        reason="person",
        state=state,
        instances=10,
    )


async def test_transfers_are_counted_at_the_destination_that_is_least_far(api: Api) -> None:
    taken = assignment(STUDY, PROJECT)
    await api.add(taken, transfer(taken.id, "t1", destinations=("a", "b")), transfer(taken.id, "t2", "completed"))
    async with api.context.database.session() as session:
        sums = {"anonymized": 8, "quarantined": 2, "delivered": 3, "refused": 1}
        await session.execute(update(Transfer).where(Transfer.id == "t1").values(**sums))

    def part(destination: str, series: str, delivered: int | None, refused: int = 0) -> TransferPart:
        return TransferPart(
            transfer="t1",
            assignment=taken.id,
            series_instance_uid=series,
            revision=1,
            destination=destination,
            instances=5,
            anonymized=4,
            quarantined=1,
            delivered=delivered,
            refused=refused,
        )

    await api.add(part("a", "1.1", 4), part("a", "1.2", 4), part("b", "1.1", 3, 1), part("b", "1.2", None))
    await api.add(
        *(
            QuarantinedInstance(
                transfer="t1",
                sop_instance_uid=f"{series}.1",
                series_instance_uid=series,
                revision=1,
                project=PROJECT,
                reason="pixel data",
                where="(7FE0,0010)",
            )
            for series in ("1.1", "1.2")
        )
    )
    page = (await api.get("/transfers")).json()
    assert page["total"] == 2
    item = next(each for each in page["items"] if each["id"] == "t1")
    counts = {name: item[name] for name in ("instances", "anonymized", "quarantined", "delivered", "refused")}
    assert counts == {"instances": 10, "anonymized": 8, "quarantined": 2, "delivered": 3, "refused": 1}
    assert [each["id"] for each in (await api.get("/transfers", state="completed")).json()["items"]] == ["t2"]
    assert (await api.get("/transfers", project="nobody")).json()["total"] == 0
    assert (await api.get("/transfers", study=STUDY, project=PROJECT)).json()["total"] == 2
    assert (await api.get("/transfers", state="else")).status_code == 422

    one = (await api.get("/transfers/t1")).json()
    assert {name: one[name] for name in item} == item
    assert [each["delivered"] for each in one["parts"]] == [4, 3, 4, None]
    assert [each["where"] for each in one["quarantine"]] == ["(7FE0,0010)"] * 2
    assert await kind(await api.get("/transfers/none")) == "unknown-transfer"

    async with api.context.database.session() as session:
        (await session.get_one(Transfer, "t1")).state = "failed"
    assert (await api.get("/transfers/t1")).json()["made_good_by"] is None
    brought = {"assignment": taken.id, "revision": 1, "destination": "a", "instances": 5}
    await api.add(
        transfer(taken.id, "t3", "completed"),
        TransferPart(transfer="t2", series_instance_uid="1.1", **brought),
        TransferPart(transfer="t3", series_instance_uid="1.2", **brought),
    )
    assert (await api.get("/transfers/t1")).json()["made_good_by"] == "t3", "together they have brought all of it"
    assert [each["made_good_by"] for each in (await api.get("/transfers", state="completed")).json()["items"]] == [
        None, None,
    ]  # fmt: skip
    async with api.context.database.session() as session:
        (await session.get_one(Transfer, "t1")).state = "sending"
        await session.execute(delete(TransferPart).where(TransferPart.transfer != "t1"))
        await session.execute(delete(Transfer).where(Transfer.id == "t3"))

    counted = (await api.get("/counts")).json()
    assert (counted["delivered"], counted["quarantined"]) == (3, 2)
    assert counted["transfers"] == {"sending": 1, "completed": 1}


async def test_destinations_and_their_echo(api: Api, tmp_path: Path) -> None:
    made = await api.post("/destinations", {"name": "here", "kind": "folder"})
    assert made.status_code == 201
    assert made.json()["config"] == {}
    assert await kind(await api.post("/destinations", {"name": "here", "kind": "folder"})) == "destination-exists"
    pacs = {"name": "pacs", "kind": "dicom", "config": {"host": "127.0.0.1", "port": 1, "called_aet": "P"}}
    assert (await api.post("/destinations", pacs)).json()["config"] == pacs["config"]
    answer = await api.post("/destinations", pacs | {"name": "p2", "config": {"host": "x", "port": 99999}})
    assert [each["loc"] for each in answer.json()["errors"]] == [
        ["body", "config", "port"],
        ["body", "config", "called_aet"],
    ]
    assert (await api.post("/destinations", {"name": "../x", "kind": "folder"})).status_code == 422
    assert (await api.get("/destinations")).json()["total"] == 2

    there = (await api.post("/destinations/here/echo")).json()
    assert there["ok"], there
    away = (await api.post("/destinations/pacs/echo")).json()
    assert not away["ok"]
    assert away["milliseconds"] < 15000
    assert await kind(await api.post("/destinations/none/echo")) == "unknown-destination"


async def test_dead_letters(api: Api) -> None:
    bus = api.context.bus
    buried = asyncio.Event()

    async def bury(delivery: Delivery) -> Fate:
        buried.set()
        return Bury("cannot work")

    arrived = StudyArrived(study_instance_uid=STUDY, series=1, instances=2)
    async with bus.consume("router.study.arrived.v1", bury, 1):
        await bus.publish([Message.of(arrived)])
        await asyncio.wait_for(buried.wait(), 60)
    page = (await api.get("/dead")).json()
    assert page["total"] == 1
    letter = page["items"][0]
    assert (letter["event"], letter["reason"]) == ("study.arrived.v1", "cannot work")
    assert letter["body"] == arrived.model_dump()
    assert (await api.get("/counts")).json()["dead"] == 1
    path = f"/dead/{letter['id']}"
    assert (await api.get(path)).json() == letter
    assert (await api.post(f"{path}/replay")).status_code == 204
    assert await kind(await api.get(path)) == "unknown-dead-letter"
    assert await kind(await api.post(f"{path}/replay")) == "unknown-dead-letter"
    assert (await api.get("/counts")).json()["queues"]["router.study.arrived.v1"] == 1
    buried.clear()
    async with bus.consume("router.study.arrived.v1", bury, 1):
        await asyncio.wait_for(buried.wait(), 60)
    assert (await api.delete(path)).status_code == 204
    assert await kind(await api.delete(path)) == "unknown-dead-letter"


async def test_counts(api: Api) -> None:
    nothing = (await api.get("/counts")).json()
    assert (nothing["instances"], nothing["delivered"], nothing["dead"]) == (0, 0, 0)
    await with_study(api)
    await with_study(api, "1.2.4")
    gone = study_rows(api.context.vault, "1.2.5")
    gone[0].removed_at = now()
    await api.add(
        *gone,
        assignment("1.2.4", PROJECT),
        InstanceConflict(
            path="archive/x",
            sop_instance_uid="1",
            study_instance_uid=STUDY,
            series_instance_uid="1",
            association="a",
            reason="other bytes",
        ),
    )
    counted = (await api.get("/counts")).json()
    assert {name: counted[name] for name in ("instances", "conflicts", "studies", "series", "waiting")} == {
        "instances": 6,
        "conflicts": 1,
        "studies": 3,
        "series": 3,
        "waiting": 1,
    }
    assert "indexer.instances.received.v1" in counted["queues"]


async def test_what_waits_is_read_in_its_order_and_not_sorted(sqlite: Database) -> None:
    first = select(Study.study_instance_uid).where(waiting()).order_by(*latest_first(BY_ARRIVAL)).limit(100)
    said = str(first.compile(sqlite.engine, compile_kwargs={"literal_binds": True}))
    async with sqlite.reading() as session:
        plan = [row[-1] for row in await session.execute(text(f"EXPLAIN QUERY PLAN {said}"))]
    assert any("ix_studies_listed" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


async def test_a_page_of_ten_thousand_studies_costs_a_fixed_number_of_queries(api: Api) -> None:
    vault, database = api.context.vault, api.context.database
    sealed = {"accession_number": vault.encrypt("A"), "details": vault.encrypt("{}")}
    uids = [f"1.2.{number}" for number in range(10_000)]
    async with database.session() as session:
        await session.execute(
            insert(Study), [{"study_instance_uid": uid, "patient": "p", "modalities": ["MR"]} for uid in uids]
        )
        await session.execute(insert(StudyIdentity), [{"study_instance_uid": uid} | sealed for uid in uids])
        session.add_all(assignment(uid, PROJECT) for uid in uids[:5000])
    statements: list[str] = []

    @sqlalchemy_event.listens_for(database.engine.sync_engine, "before_cursor_execute")
    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    for query in ({"state": "all"}, {"state": "waiting"}):
        statements.clear()
        page = (await api.get("/studies", limit=100, **query)).json()
        assert len(page["items"]) == 100
        assert len(statements) <= 5, "two of them to know who asks"
    assert page["total"] == 5000
    async with database.reading() as session:
        assert len((await session.scalars(select(Study.study_instance_uid))).all()) == 10_000
