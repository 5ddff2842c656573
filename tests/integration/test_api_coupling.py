"""Coupling lists over REST: one entry, or a file; taken whole or not at all, and owed to the router."""

import asyncio
import csv
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from services.api.actor import ProjectRole
from services.api.coupling import standing
from services.api.coupling.sweep import sweep_coupling
from services.api.settings import ApiSettings
from services.router import handlers
from shared.database import Database
from shared.events import CouplingChanged, StudyCoupled
from shared.registry.coupling import note_match
from shared.spreadsheet import FORMULA
from shared.tables import Assignment, CouplingEntry, Participant
from shared.tables.base import now
from tests.people import TESTER, person
from tests.unit.api.support import Api, kind, patient_rows, running, study_rows

PROJECT = "ABCD-study"
PATH = f"/projects/{PROJECT}/coupling"
HEADER = "AccessionNumber;ProjectName;subjectid;eventname"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        yield api


async def post(api: Api, text: str | bytes, **query: Any) -> httpx.Response:
    """A file as the body."""
    content = text.encode() if isinstance(text, str) else text
    headers = {"content-type": "text/csv"}
    return await api.client.post(f"/api/v1{PATH}/csv", content=content, params=query, headers=headers)


def rows(*lines: str) -> str:
    return "\n".join([HEADER, *lines])


async def entries(api: Api, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(PATH, **query)).json()["items"]
    return found


async def test_entries_one_by_one(api: Api) -> None:
    await api.project(participant_pattern=r"X\d+", events=["baseline", "Unknown"])
    named = [
        {"accession_number": "ACC-1", "participant": "X1", "event": "baseline"},
        {"study_instance_uid": "1.2.9", "participant": "X2"},
        {"patient_id": "PAT-3", "issuer": "HUS", "participant": "X3"},
    ]
    answer = await api.post(PATH, {"entries": named})
    assert answer.status_code == 201
    assert "ACC-1" not in answer.text
    made = answer.json()
    assert (made["total"], made["studies"]) == (3, 0)
    assert [each["by"] for each in made["items"]] == ["accession_number", "study_instance_uid", "patient_id"]
    listed = await api.get(PATH)
    assert sorted(listed.json()["items"], key=lambda each: str(each["participant"])) == made["items"]
    assert "ACC-1" not in listed.text
    async with api.context.database.reading() as session:
        row = await session.get_one(CouplingEntry, made["items"][0]["id"])
        patient = await session.get_one(CouplingEntry, made["items"][2]["id"])
    vault = api.context.vault
    assert row.accession_hash == row.key == vault.hash("accession", "ACC-1")
    assert vault.decrypt(row.accession_number or b"") == "ACC-1"
    assert patient.key == vault.hash("patient", "PAT-3", "HUS")

    again = (await api.post(PATH, {"entries": named, "expires_days": None})).json()
    assert [each["id"] for each in again["items"]] == [each["id"] for each in made["items"]]
    assert {each["expires_at"] for each in again["items"]} == {None}
    shorter = (await api.post(PATH, {"entries": named, "expires_days": 1})).json()
    assert {each["expires_at"] for each in shorter["items"]} == {None}, "never ends earlier"
    owed = [each for each in await api.owed() if isinstance(each, CouplingChanged)]
    assert [each.upload for each in owed] == [made["upload"], again["upload"], shorter["upload"]]

    other = [{"accession_number": "ACC-1", "participant": "X7", "event": "baseline"}]
    assert kind(await api.post(PATH, {"entries": other})) == "coupled-otherwise"
    identity = made["items"][0]["id"]
    assert (await api.delete(f"{PATH}/{identity}")).status_code == 204
    assert kind(await api.delete(f"{PATH}/{identity}")) == "unknown-coupling-entry"
    assert (await api.get(PATH)).json()["total"] == 2
    for answer in (
        await api.get("/projects/nobody/coupling"),
        await api.delete("/projects/nobody/coupling/x"),
        await api.post("/projects/nobody/coupling", {"entries": other}),
    ):
        assert kind(answer) == "unknown-project"


async def test_entries_say_where_they_do_not_fit(api: Api) -> None:
    await api.project(participant_pattern=r"X\d+", events=["baseline"])
    named = [
        {"accession_number": "A1", "participant": "X1", "event": "baseline"},
        {"accession_number": "A2", "participant": "Doe^Jane", "event": "baseline"},
        {"accession_number": "A3", "participant": "X3", "event": "never"},
        {"accession_number": "A1", "participant": "X4", "event": "baseline"},
    ]
    answer = await api.post(PATH, {"entries": named})
    assert [each["loc"][2:] for each in answer.json()["errors"]] == [
        [1, "participant"], [2, "event"], [3, "accession_number"],
    ]  # fmt: skip
    assert "Doe^Jane" not in answer.text
    for wrong in ({}, {"issuer": "HUS"}, {"study_instance_uid": "x"}):
        entry = {"participant": "X1", "event": "baseline", **wrong}
        assert (await api.post(PATH, {"entries": [entry]})).status_code == 422
    assert (await api.get(PATH)).json()["total"] == 0, "all or nothing"


async def test_a_file_is_rehearsed_and_taken(api: Api) -> None:
    await api.project(participant_pattern=r"X.+")
    await api.add(*study_rows(api.context.vault, "1.1", accession="00123"))
    await api.add(*study_rows(api.context.vault, "1.2", accession="456", arrived=False))
    text = rows(f"00123;{PROJECT};XØ1;baseline", '="456";;X2 ;', ";;;", f"00123;{PROJECT};XØ1;baseline")
    rehearsed = await post(api, text.encode("latin-1"), dry_run=True)
    assert rehearsed.status_code == 200
    said = rehearsed.json()
    assert (said["added"], said["studies"], said["repeated_lines"], said["upload"]) == (2, 1, [5], None)
    assert (said["encoding"], said["delimiter"]) == ("windows-1252", "semicolon")
    assert await entries(api) == []

    taken = await post(api, text.encode("utf-16"), never=True)
    assert taken.status_code == 201, taken.text
    assert (taken.json()["added"], taken.json()["expires_at"]) == (2, None)
    assert {(each["participant"], each["event"]) for each in await entries(api)} == {
        ("XØ1", "baseline"), ("X2", "Unknown"),
    }  # fmt: skip
    before = {each["id"] for each in await entries(api)}
    again = (await post(api, text)).json()
    assert (again["added"], again["prolonged"], again["unchanged"]) == (0, 0, 2)
    assert {each["id"] for each in await entries(api)} == before
    owed = [each for each in await api.owed() if isinstance(each, CouplingChanged)]
    assert [each.upload for each in owed] == [taken.json()["upload"], again["upload"]]

    form = await api.client.post(f"/api/v1{PATH}/csv", files={"file": ("kari.csv", text.encode(), "text/csv")})
    assert (form.status_code, form.json()["unchanged"]) == (201, 2)


async def looked_at_again(api: Api) -> list[tuple[str, str | None]]:
    """What the router makes of the last upload: whose the studies are, or why they are nobody's."""
    database, vault, store = api.context.database, api.context.vault, api.context.store
    changed = [each for each in await api.owed() if isinstance(each, CouplingChanged)][-1]
    async with database.session() as session:
        named = await handlers.relisted(changed, session)
    for event in named:
        assert isinstance(event, StudyCoupled)
        async with database.session() as session:
            await handlers.coupled(event, session, vault, store)
    async with database.reading() as session:
        rows = await session.scalars(select(Assignment).order_by(Assignment.created_at, Assignment.id))
        return [(row.participant, row.refused) for row in rows]


async def test_a_patient_id_that_a_later_list_says_counts(api: Api) -> None:
    """What an entry lacks is added; what it says otherwise is a conflict, and mended by removing the entry."""

    def patient(patient_id: str, issuer: str = "") -> str:
        return f"AccessionNumber;PatientID;Issuer;subjectid\nA1;{patient_id};{issuer};X1\n"

    async def identities() -> list[tuple[str | None, str | None]]:
        items = (await api.get(f"{PATH}/identities")).json()["items"]
        return [(each["patient_id"], each["issuer"]) for each in items]

    async def amended(text: str) -> tuple[int, int, int]:
        answer = await post(api, text)
        assert answer.status_code == 201, answer.text
        said = answer.json()
        return said["added"], said["amended"], said["prolonged"] + said["unchanged"]

    await api.project()
    assert await amended(patient("")) == (1, 0, 0)
    await api.add(*patient_rows(api.context.vault, "P1", issuer="HUS"))
    await api.add(*study_rows(api.context.vault, "1.1", accession="A1", patient_id="P1", issuer="HUS"))
    (entry,) = [each["id"] for each in await entries(api)]
    rehearsed = (await post(api, patient("P9"), dry_run=True)).json()
    assert (rehearsed["amended"], await identities()) == (1, [(None, None)])
    assert await amended(patient("P9")) == (0, 1, 0)
    assert [each["id"] for each in await entries(api)] == [entry]
    listed = (await api.get(f"{PATH}/uploads")).json()["items"]
    assert [(each["rows"], each["added"], each["amended"]) for each in listed] == [(1, 0, 1), (1, 1, 0)]
    refused = "the study is of another patient than the coupling list says"
    assert await looked_at_again(api) == [("", refused)]

    answer = await post(api, patient("P1"))
    assert kind(answer) == "coupled-otherwise"
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["body", "line", 2, "PatientID"]
    assert "remove it, and upload the list again" in error["msg"]
    assert entry in error["msg"]
    one = {"entries": [{"accession_number": "A1", "patient_id": "P1", "participant": "X1"}]}
    assert kind(await api.post(PATH, one)) == "coupled-otherwise"
    assert await identities() == [("P9", None)]
    await api.delete(f"{PATH}/{entry}")
    assert await amended(patient("P1")) == (1, 0, 0)
    assert await looked_at_again(api) == [("", refused), ("X1", None)]

    assert (await amended(patient("")), await identities()) == ((0, 0, 1), [("P1", None)])
    assert (await amended(patient("P1", "HUS")), await identities()) == ((0, 1, 0), [("P1", "HUS")])
    assert (await amended(patient("P1")), await identities()) == ((0, 0, 1), [("P1", "HUS")])
    assert kind(await post(api, patient("P1", "OUS"))) == "coupled-otherwise"


async def test_entries_are_amended_each_by_what_it_lacks(api: Api) -> None:
    """And end no earlier by it."""
    await api.project()
    header = "StudyInstanceUID;AccessionNumber;PatientID;subjectid\n"
    before = "1.1;;;X1\n1.2;A2;;X2\n1.3;;P3;X3\n1.4;A4;P4;X4\n"
    after = "1.1;A1;P1;X1\n1.2;A2;P2;X2\n1.3;A3;P3;X3\n1.4;A4;P4;X4\n"
    assert (await post(api, header + before, never=True)).status_code == 201
    said = (await post(api, header + after, expires_days=1)).json()
    assert (said["rows"], said["amended"], said["unchanged"]) == (4, 3, 1)
    shown = {each["participant"]: each for each in (await api.get(f"{PATH}/identities")).json()["items"]}
    assert {each["expires_at"] for each in shown.values()} == {None}
    for number in "1234":
        item = shown[f"X{number}"]
        assert (item["accession_number"], item["patient_id"]) == (f"A{number}", f"P{number}")
    async with api.context.database.reading() as session:
        rows = {row.participant: row for row in await session.scalars(select(CouplingEntry))}
    vault = api.context.vault
    assert rows["X1"].accession_hash == vault.hash("accession", "A1")
    assert rows["X2"].patient_hash == vault.hash("patient id", "P2")
    assert {row.upload for row in rows.values()} == {said["upload"]}


async def test_all_that_is_wrong_is_said_at_once_and_nothing_is_taken(api: Api) -> None:
    await api.project(participant_pattern=r"X\d+|P-\d+", events=["baseline"])
    await api.add(*patient_rows(api.context.vault, "P-77"))
    (made,) = (await api.post(PATH, {"entries": [
        {"accession_number": "A9", "participant": "X9", "event": "baseline"}]})).json()["items"]  # fmt: skip
    text = rows(
        f"A1;{PROJECT};X1;baseline",
        "A2;OTHER-study;X2;baseline",
        "A3;;Hansen;baseline",
        "1.2E+10;;X4;baseline",
        "A1;;X5;baseline",
        "A9;;X6;baseline",
        "A7;;P-77;baseline",
        "A8;;X8;never",
    )
    answer = await post(api, text)
    assert kind(answer) == "invalid-coupling-list"
    places = sorted(each["loc"][2:] for each in answer.json()["errors"])
    assert places == [
        [3, "ProjectName"],
        [4, "subjectid"],
        [5, "AccessionNumber"],
        [6, "AccessionNumber"],
        [7, "subjectid"],
        [8, "subjectid"],
        [9, "eventname"],
    ]
    assert answer.json()["detail"] == "7 problems in 7 lines; nothing was taken"
    assert made["id"] in answer.text
    assert not any(word in answer.text for word in ("Hansen", "P-77", "1.2E+10"))
    rehearsed = (await post(api, text, dry_run=True)).json()
    assert (rehearsed["problems_total"], rehearsed["conflicts"], rehearsed["added"]) == (7, 1, 2)
    assert [each["id"] for each in await entries(api)] == [made["id"]]
    assert kind(await post(api, rows("A9;;X6;baseline"))) == "coupled-otherwise"
    assert kind(await post(api, "nonsense")) == "invalid-coupling-list"
    assert kind(await api.post(f"{PATH}/csv", {})) == "unsupported-media-type"
    assert kind(await api.client.post(f"/api/v1{PATH}/csv", data={"a": "b"}, files={})) == "unsupported-media-type"


async def test_a_participant_that_the_project_has_may_be_a_patient_id(api: Api) -> None:
    """A research scanner sends pseudonyms as PatientIDs."""
    await api.project()
    await api.post(PATH, {"entries": [{"accession_number": "A1", "participant": "X77"}]})
    await api.add(*patient_rows(api.context.vault, "X77"))
    entry = {"entries": [{"accession_number": "A2", "participant": "X77"}]}
    assert kind(await api.post(PATH, entry)) == "invalid-request"
    await api.add(Participant(project=PROJECT, name="X77"))
    assert (await api.post(PATH, entry)).status_code == 201


async def test_consent_that_is_withdrawn_while_a_list_is_checked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.project()
    await api.post(f"/projects/{PROJECT}/participants", {"name": "X1"})
    checked = standing.check_participants

    async def then_withdrawn(*given: Any, **more: Any) -> None:
        await checked(*given, **more)
        path = f"/projects/{PROJECT}/participants/X1/withdrawal"
        assert (await api.post(path, {"reason": "asked for by letter"})).status_code == 202

    monkeypatch.setattr("services.api.coupling.upload.check_participants", then_withdrawn)
    answer = await post(api, rows("ACC-1;;X1;baseline"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["msg"] == "the participant's consent was withdrawn"
    assert await entries(api) == []


async def test_filters_and_counts(api: Api) -> None:
    await api.project()
    text = "AccessionNumber,PatientID,subjectid,eventname\nA1,,X1,e1\nA2,,X2,e2\n,P3,X3,e1\n"
    assert (await post(api, text)).status_code == 201
    first, second = [each for each in await entries(api) if each["by"] == "accession_number"]
    await api.add(
        Assignment(
            study_instance_uid="1.2", project=PROJECT, participant="X1", event="e1", reason=f"coupling {first['id']}"
        ),
        Assignment(
            study_instance_uid="1.3", project=PROJECT, participant="", event="e2", reason=f"coupling {second['id']}",
            refused="the project is not active",
        ),
    )  # fmt: skip
    async with api.context.database.session() as session:
        for each in (first, second):
            await note_match(session, each["id"])
    assert {each["participant"] for each in await entries(api, event="e1")} == {"X1", "X3"}
    assert len(await entries(api, participant=first["participant"])) == 1
    assert [each["by"] for each in await entries(api, matched=False)] == ["patient_id"]
    studies = {each["id"]: each["studies"] for each in await entries(api, matched=True)}
    assert studies[first["id"]] == [{"study_instance_uid": "1.2", "refused": None}]
    assert studies[second["id"]][0]["refused"] == "the project is not active"
    assert (await api.get(f"{PATH}/counts")).json() == {
        "entries": 3, "matched": 2, "waiting": 1, "expired": 0,
    }  # fmt: skip
    listed = await entries(api)
    for offset in range(4):
        page = (await api.get(PATH, limit=2, offset=offset)).json()
        assert (page["total"], page["items"]) == (3, listed[offset : offset + 2])


async def test_uploads_are_noted_and_removed(api: Api) -> None:
    await api.project()
    first = (await post(api, rows("A1;;X1;e", "A2;;X2;e"))).json()["upload"]
    second = (await post(api, rows("A2;;X2;e", "A3;;X3;e"), expires_days=90)).json()["upload"]
    listed = (await api.get(f"{PATH}/uploads")).json()
    assert {each["created_by"] for each in listed["items"]} == {TESTER}
    assert [(each["id"], each["rows"], each["entries"]) for each in listed["items"]] == [(second, 2, 2), (first, 2, 1)]
    assert len(await entries(api, upload=second)) == 2
    assert (await api.delete(f"{PATH}/uploads/{first}")).json() == {"removed": 1}
    assert {each["participant"] for each in await entries(api)} == {"X2", "X3"}
    assert kind(await api.delete(f"{PATH}/uploads/{first[::-1]}")) == "unknown-coupling-upload"
    assert (await api.delete(PATH)).json() == {"removed": 2}
    assert await entries(api) == []


async def test_identities_are_for_data_managers_and_the_export_can_be_uploaded(api: Api) -> None:
    await api.project()
    text = "AccessionNumber,PatientID,IssuerOfPatientID,subjectid\n-7,,,XØ1\nA2,P2,HUS,X2\n"
    await post(api, text)
    await api.add(*person("e.dahl", memberships={PROJECT: (ProjectRole.DATA_ENTRY,)}))
    for path in (f"{PATH}/identities", f"{PATH}/export"):
        refused = await api.client.get(f"/api/v1{path}", headers={"Authorization": "Bearer fiona_t_e.dahl"})
        assert refused.status_code == 403
    shown = (await api.get(f"{PATH}/identities")).json()["items"]
    assert {(each["accession_number"], each["patient_id"], each["issuer"]) for each in shown} == {
        ("-7", None, None), ("A2", "P2", "HUS"),
    }  # fmt: skip
    exported = await api.get(f"{PATH}/export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    lines = exported.text.splitlines()
    assert lines[0] == (
        "\ufeffStudyInstanceUID,AccessionNumber,PatientID,IssuerOfPatientID,ProjectName,subjectid,eventname"
    )
    assert set(lines[1:]) == {f",'-7,,,{PROJECT},XØ1,Unknown", f",A2,P2,HUS,{PROJECT},X2,Unknown"}
    assert (await post(api, exported.content)).json()["prolonged"] == 2


async def test_whatever_stands_in_an_entry_comes_back_by_an_export(api: Api) -> None:
    """Safe in a spreadsheet, and uploaded as it is the same entries; what no DICOM text holds is in none."""
    await api.project()
    values = ["=1+1", '="0012"', "+47", "-7", "@a", "'=1", "1.0", "Ærlig Åse", "å;b,c", 'x"y', "0012"]
    named = [{"accession_number": each, "participant": f"X{number}"} for number, each in enumerate(values)]
    assert (await api.post(PATH, {"entries": named})).status_code == 201
    before = (await api.get(f"{PATH}/identities")).json()["items"]
    exported = (await api.get(f"{PATH}/export")).content
    lines = list(csv.reader(exported.decode("utf-8-sig").splitlines()))[1:]
    assert len(lines) == len(values)
    assert not [each for line in lines for each in line if each.startswith(FORMULA)]
    answer = (await post(api, exported)).json()
    assert (answer["added"], answer["prolonged"] + answer["unchanged"]) == (0, len(values))
    assert (await api.delete(PATH)).json() == {"removed": len(values)}
    assert (await post(api, exported)).json()["added"] == len(values)
    after = (await api.get(f"{PATH}/identities")).json()["items"]

    def said(items: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(each["participant"], each["accession_number"]) for each in items}

    assert said(after) == said(before) == {(f"X{number}", each) for number, each in enumerate(values)}
    tab = {"entries": [{"accession_number": "a\tb", "participant": "X99"}]}
    assert kind(await api.post(PATH, tab)) == "invalid-request"


async def test_an_expired_entry_is_none_and_goes_after_a_while(api: Api) -> None:
    await api.project()
    await post(api, rows("A1;;X1;e", "A2;;X2;e"))
    database = api.context.database
    async with database.session() as session:
        for row in await session.scalars(select(CouplingEntry)):
            row.expires_at = now() - timedelta(days=2)
    assert (await api.get(f"{PATH}/counts")).json()["expired"] == 2
    assert await entries(api) == []
    assert (await post(api, rows("A1;;X9;e"))).status_code == 201
    for grace, left in ((3, 2), (1, 1)):
        async with database.session() as session:
            await sweep_coupling(session, ApiSettings(coupling_grace_days=grace))
        async with database.reading() as session:
            assert len((await session.scalars(select(CouplingEntry))).all()) == left


async def test_a_long_list(api: Api) -> None:
    await api.project()
    text = rows(*(f"A{n};;X{n + 5000};e" for n in range(1500)))
    for key in ("added", "prolonged"):
        assert (await post(api, text)).json()[key] == 1500
    listed = await api.get(PATH, limit=1000, offset=1000)
    assert (listed.json()["total"], len(listed.json()["items"])) == (1500, 500)


async def test_lists_at_once(api: Api) -> None:
    """Who contradicts comes too late; who does not is taken, too."""
    await api.project()
    contradicting = [post(api, rows(f"A;;X{n};e", f"B{n};;X{n};e")) for n in range(3)]
    answers = await asyncio.gather(*contradicting)
    assert sorted(each.status_code for each in answers) == [201, 409, 409]
    agreeing = [post(api, rows("C;;X1;e", f"D{n};;X{n};e")) for n in range(3)]
    assert [each.status_code for each in await asyncio.gather(*agreeing)] == [201, 201, 201]
    assert len(await entries(api)) == 2 + 4


async def test_a_list_may_be_longer_than_other_bodies(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path / "store", body_bytes=200, coupling_bytes=1000) as api:
        await api.project()
        assert (await post(api, rows(*(f"A{n};;X{n};e" for n in range(30))))).status_code == 201
        assert kind(await post(api, rows(*(f"A{n};;X{n};e" for n in range(200))))) == "too-large"
