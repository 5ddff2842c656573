"""Applications and the life of projects over REST, on both databases."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.database import Database
from shared.events import ProjectConfirmed, ProjectMoved
from shared.registry.projects import today
from shared.tables import Mail, Membership, Project, ProjectExport, ProjectLeftover, ProjectProfile, ProjectWork
from shared.tables.base import now
from tests.people import person
from tests.unit.api.support import Api, kind, running

NAME = "ABCD-study"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        yield api


async def wish(api: Api, **values: Any) -> dict[str, Any]:
    contract = (await api.get("/contract")).json()
    return {
        "project": NAME,
        "agreed": contract["version"],
        "organisation": "Example Hospital",
        "pi_name": "Kari Olsen",
        "pi_mail": "kari@example.org",
        "manager_name": "Ola Hansen",
        "manager_mail": "ola@example.org",
        "approval": "2026/1234",
        "starts_on": "2026-01-01",
        "ends_on": "2040-12-31",
        "participant_pattern": r"ABCD-\d{4}",
        "participant_example": "ABCD-0001",
        "events": ["baseline", "interview"],
        "events_without_images": ["interview"],
        "end_provision": "anonymise",
        **values,
    }


async def mails(api: Api) -> list[tuple[str, str]]:
    async with api.context.database.reading() as session:
        rows = await session.scalars(select(Mail).order_by(Mail.created_at))
        open_ = api.context.vault.decrypt
        return [(open_(row.recipient), open_(row.subject)) for row in rows]


async def in_project(api: Api, **values: Any) -> dict[str, Any]:
    """An approved project."""
    await api.post("/destinations", {"name": "here", "kind": "folder"})
    applied = await api.post("/applications", await wish(api, **values))
    assert applied.status_code == 201, applied.text
    approved = await api.post(f"/applications/{applied.json()['id']}/approve", {"destinations": ["here"]})
    assert approved.status_code == 200, approved.text
    shown = await api.get(f"/projects/{NAME}")
    made: dict[str, Any] = shown.json() | {"etag": shown.headers["etag"]}
    return made


async def test_an_application_becomes_a_project(api: Api) -> None:
    features = {
        "drop_presentation_states": True,
        "drop_secondary_captures": True,
        "pixel_exclusions": [{"attribute": "ImageComments", "matches": "phantom"}],
    }
    asked = await wish(api, features=features, others=[{"login": "pernille"}])
    applied = await api.post("/applications", asked)
    assert applied.status_code == 201, applied.text
    item = applied.json()
    assert (item["state"], item["contract"]) == ("applied", asked["agreed"])
    assert (await api.get(f"/contracts/{asked['agreed']}")).json()["text"].startswith("# Agreement")
    assert kind(await api.post("/applications", asked)) == "project-exists"
    assert (await api.get("/applications", state="applied")).json()["total"] == 1
    await api.add(*person("kari"), *person("ola"))
    theirs = await api.by("fiona_t_kari", "POST", "/applications", asked | {"project": "KARI-study"})
    own = f"/applications/{theirs.json()['id']}"
    assert (await api.by("fiona_t_kari", "GET", own)).json()["applicant"] == "kari"
    assert [each["id"] for each in (await api.by("fiona_t_kari", "GET", "/applications")).json()["items"]] == [
        theirs.json()["id"]
    ]
    assert kind(await api.by("fiona_t_ola", "GET", own)) == "unknown-application"
    assert (await api.by("fiona_t_ola", "GET", "/applications")).json()["total"] == 0
    assert kind(await api.by("fiona_t_kari", "POST", f"{own}/approve", {"destinations": []})) == "forbidden"

    await api.post("/destinations", {"name": "here", "kind": "folder"})
    approved = await api.post(f"/applications/{item['id']}/approve", {"destinations": ["here"]})
    assert approved.json()["state"] == "approved", approved.text
    assert kind(await api.post(f"/applications/{item['id']}/reject", {"reason": "no"})) == "already-decided"
    project = (await api.get(f"/projects/{NAME}")).json()
    assert (project["state"], project["approval"], project["closed"]) == ("development", "2026/1234", None)
    assert project["events_without_images"] == ["interview"]
    async with api.context.database.reading() as session:
        profile = await session.get_one(ProjectProfile, (NAME, 1))
    assert "modality: PR" in profile.content
    assert "image_comments: phantom" in profile.content
    assert "1.2.840.10008.5.1.4.1.1.88.11" in profile.content, "what the base leaves out stays left out"
    assert await api.owed() == [ProjectMoved(project=NAME, before="applied", after="development")]
    assert await mails(api) == [
        ("kari@example.org", f"{NAME}: the application is approved"),
        ("ola@example.org", f"{NAME}: the application is approved"),
    ]
    steps = (await api.get(f"/projects/{NAME}/steps")).json()
    assert [step["kind"] for step in steps["items"]] == ["development", "unknown-users", "applied"]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"agreed": "0" * 64}, "contract-changed"),
        ({"project": "abc"}, "invalid-request"),
        ({"project": "a" * 21}, "invalid-request"),
        ({"participant_example": "X"}, "invalid-request"),
        ({"events_without_images": ["else"]}, "invalid-request"),
        ({"ends_on": "2025-01-01"}, "invalid-request"),
        ({"pi_mail": "kari"}, "invalid-request"),
        ({"features": {"pixel_exclusions": [{"attribute": "PatientName", "matches": "x"}]}}, "invalid-request"),
        ({"end_provision": "keep"}, "invalid-request"),
    ],
)
async def test_what_is_no_application(sqlite: Database, tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    async with running(sqlite, tmp_path / "store") as api:
        assert kind(await api.post("/applications", await wish(api, **values))) == problem


async def test_a_rejected_name_is_free_again(api: Api) -> None:
    applied = (await api.post("/applications", await wish(api))).json()
    rejected = await api.post(f"/applications/{applied['id']}/reject", {"reason": "No images."})
    assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "No images.")
    assert kind(await api.get(f"/projects/{NAME}")) == "unknown-project"
    assert (await api.post("/applications", await wish(api))).status_code == 201
    assert kind(await api.post("/applications/nobody/approve", {})) == "unknown-application"


async def test_production_archive_and_a_longer_approval(api: Api) -> None:
    made = await in_project(api)
    assert kind(await api.post(f"/projects/{NAME}/produce")) == "version-required"
    produced = await api.post(f"/projects/{NAME}/produce", if_match=made["etag"])
    assert produced.json()["state"] == "production", produced.text
    assert kind(await api.post(f"/projects/{NAME}/produce", if_match="*")) == "project-closed"
    assert kind(await api.post(f"/projects/{NAME}/archive", {"reason": "x"}, if_match=made["etag"])) == (
        "changed-meanwhile"
    )
    rule = (await api.post("/rules", {"project": NAME, "patient_id": "X.*", "event": "baseline"})).json()["id"]
    archived = await api.post(f"/projects/{NAME}/archive", {"reason": "all is there"}, if_match="*")
    assert archived.json()["state"] == "archived", archived.text
    assert kind(await api.patch(f"/projects/{NAME}", {"description": "x"}, if_match="*")) == "project-closed"
    assert (await api.get(f"/projects/{NAME}")).json()["closed"] == "the project is archived"

    entries = {"entries": [{"accession_number": "A", "participant": "X1"}]}
    assert kind(await api.post(f"/projects/{NAME}/coupling", entries)) == "project-inactive"
    assert kind(await api.post("/rules", {"project": NAME, "patient_id": "X"})) == "project-closed"
    assert kind(await api.patch(f"/rules/{rule}", {"position": 3})) == "project-closed"

    assert kind(await api.post(f"/projects/{NAME}/produce", if_match="*")) == "project-closed"
    over = {"ends_on": str(today())}
    assert kind(await api.post(f"/projects/{NAME}/extend", over, if_match="*")) == "invalid-request"
    longer = {"ends_on": "2050-01-01", "approval": "2026/1234-2"}
    extended = (await api.post(f"/projects/{NAME}/extend", longer, if_match="*")).json()
    assert (extended["state"], extended["archived_at"], extended["approval"]) == ("production", None, "2026/1234-2")
    moved = [event for event in await api.owed() if isinstance(event, ProjectMoved)]
    assert [event.after for event in moved] == ["development", "production", "archived", "production"]
    steps = (await api.get(f"/projects/{NAME}/steps")).json()["items"]
    assert [step["kind"] for step in steps][:3] == ["production", "extended", "archived"]


async def test_what_was_anonymised_or_deleted_does_not_come_back(api: Api) -> None:
    await in_project(api)
    passphrase = {"passphrase": "seven words that nobody else would put together"}
    assert (await api.post(f"/projects/{NAME}/key", passphrase)).status_code == 200
    longer = {"ends_on": "2050-01-01"}
    for state, provision in (("archived", "keep"), ("deleted", "delete")):
        async with api.context.database.session() as session:
            project = await session.get_one(Project, NAME)
            project.state, project.end_provision = state, provision
            if state == "deleted":
                project.encrypted_key = api.context.vault.encrypt(b"")
        assert kind(await api.post(f"/projects/{NAME}/extend", longer, if_match="*")) == "project-closed"
        assert kind(await api.post(f"/projects/{NAME}/produce", if_match="*")) == "project-closed"
    assert kind(await api.post(f"/projects/{NAME}/key", passphrase)) == "project-closed"


async def test_exports_are_downloaded_and_confirmed(api: Api) -> None:
    await in_project(api)
    asked = await api.post(f"/projects/{NAME}/exports")
    assert asked.status_code == 202, asked.text
    item = asked.json()
    path = f"/projects/{NAME}/exports/{item['id']}"
    assert kind(await api.post(f"/projects/{NAME}/exports")) == "export-under-way"
    assert kind(await api.get(f"{path}/file")) == "export-not-there"
    assert kind(await api.post(f"{path}/confirm", {"sha256": "0" * 64})) == "export-not-there"
    assert [each["kind"] for each in (await api.get(f"/projects/{NAME}/steps")).json()["work"]] == ["export"]

    async def ready(final: bool, missing: int = 0) -> None:
        async with api.context.database.session() as session:
            row = await session.get_one(ProjectExport, item["id"])
            row.missing = missing
            row.state, row.path, row.sha256, row.final = (
                "ready",
                api.context.store.export(NAME, row.id),
                "1" * 64,
                final,
            )
            api.context.store.write(row.path, b"zip")

    await ready(final=False)
    assert (await api.get(f"{path}/file")).content == b"zip"
    assert kind(await api.post(f"{path}/confirm", {"sha256": "0" * 64})) == "other-file"
    assert (await api.post(f"{path}/confirm", {"sha256": "1" * 64})).json()["state"] == "confirmed"
    assert not [event for event in await api.owed() if isinstance(event, ProjectConfirmed)], "it was not the last one"

    await api.post(f"/projects/{NAME}/archive", {"reason": "all is there"}, if_match="*")
    await ready(final=True)
    assert (await api.post(f"{path}/confirm", {"sha256": "1" * 64})).json()["state"] == "confirmed"
    assert not [event for event in await api.owed() if isinstance(event, ProjectConfirmed)], "it is from before"
    async with api.context.database.session() as session:
        (await session.get_one(Project, NAME)).archived_at = now() - timedelta(days=400)
    await ready(final=True, missing=3)
    for said in ({}, {"missing": 0}, {"missing": 2}):
        refused = await api.post(f"{path}/confirm", {"sha256": "1" * 64, **said})
        assert kind(refused) == "instances-missing"
        assert refused.json()["detail"].startswith("3 instances")
    assert not [event for event in await api.owed() if isinstance(event, ProjectConfirmed)]
    for _ in range(2):
        assert (await api.post(f"{path}/confirm", {"sha256": "1" * 64, "missing": 3})).status_code == 200
    steps = (await api.get(f"/projects/{NAME}/steps")).json()["items"]
    assert f"{item['id']}, 3 instances missing in it" in {each["detail"] for each in steps}
    assert [event for event in await api.owed() if isinstance(event, ProjectConfirmed)] == [
        ProjectConfirmed(project=NAME, export=item["id"])
    ]
    async with api.context.database.reading() as session:
        kinds = (await session.scalars(select(ProjectWork.kind).order_by(ProjectWork.created_at))).all()
    assert kinds == ["export", "anonymise"]
    late = await api.post(f"/projects/{NAME}/extend", {"ends_on": "2050-01-01"}, if_match="*")
    assert kind(late) == "project-closed"


async def test_mails_are_counted_tried_and_dropped(api: Api) -> None:
    await in_project(api)
    waiting = (await api.get("/mails", state="waiting")).json()
    assert waiting["total"] == 2
    assert "kari" not in str(waiting)
    first, second = (item["id"] for item in waiting["items"])
    assert (await api.post(f"/mails/{first}/retry")).json()["state"] == "waiting"
    assert (await api.delete(f"/mails/{second}")).status_code == 204
    async with api.context.database.session() as session:
        (await session.get_one(Mail, first)).state = "sent"
    assert kind(await api.post(f"/mails/{first}/retry")) == "mail-sent"
    assert kind(await api.delete(f"/mails/{second}")) == "unknown-mail"


async def test_access_is_asked_for_and_decided_once(api: Api) -> None:
    await in_project(api)
    path = f"/projects/{NAME}/access-requests"
    asked = await api.post(path, {"role": "controller"})
    assert (asked.status_code, asked.json()["state"]) == (201, "asked")
    assert kind(await api.post(path, {})) == "already-asked"
    assert (await mails(api))[-1] == ("kari@example.org", f"{NAME}: somebody asks for access")
    identity = asked.json()["id"]
    assert (await api.post(f"{path}/{identity}/decline")).json()["state"] == "declined"
    assert kind(await api.post(f"{path}/{identity}/grant")) == "already-decided"
    assert (await api.post(path, {})).status_code == 201, "one may ask again"
    assert (await api.get(path, state="asked")).json()["total"] == 1
    assert kind(await api.post(f"{path}/nothing/grant")) == "unknown-access-request"
    assert kind(await api.post("/projects/nothing/access-requests", {})) == "unknown-project"


@pytest.mark.parametrize("origin", ["local", "ldap"])
async def test_whoever_is_bound_to_a_site_is_let_in_for_more_at_that_site_alone(api: Api, origin: str) -> None:
    """Whether a person has bound them or a group of the directory: nobody has said that they may see the others."""
    await in_project(api)
    await api.add(*person("berit"))
    await api.add(Membership(account="berit", project=NAME, origin=origin, roles=["data_entry"], sites=["Bergen"]))
    asked = await api.by("fiona_t_berit", "POST", f"/projects/{NAME}/access-requests", {"role": "data_manager"})
    identity = asked.json()["id"]
    assert (await api.post(f"/projects/{NAME}/access-requests/{identity}/grant")).json()["state"] == "granted"
    [mine] = (await api.by("fiona_t_berit", "GET", "/session")).json()["projects"]
    assert mine == {"project": NAME, "roles": ["data_entry", "data_manager"], "sites": ["Bergen"]}


async def test_a_paused_project_that_goes_on_says_so(api: Api) -> None:
    await in_project(api)
    for active in (False, True, True):
        assert (await api.patch(f"/projects/{NAME}", {"active": active})).json()["active"] is active
    moved = [event for event in await api.owed() if isinstance(event, ProjectMoved)]
    assert [(event.before, event.after) for event in moved] == [
        ("applied", "development"),
        ("development", "development"),
    ]


async def test_what_is_left_over_is_removed_by_hand(api: Api) -> None:
    await in_project(api)
    await api.add(ProjectLeftover(project=NAME, destination="here", study_instance_uid="2.25.7"))
    gone = {"destination": "here", "study_instance_uid": "2.25.7"}
    for _ in range(2):
        assert (await api.post(f"/projects/{NAME}/leftovers/removed", gone)).json()["done_at"]
    [item] = (await api.get(f"/projects/{NAME}/leftovers")).json()["items"]
    assert (item["destination"], item["done_by"]) == ("here", "k.olsen")
    other = gone | {"study_instance_uid": "2.25.8"}
    assert kind(await api.post(f"/projects/{NAME}/leftovers/removed", other)) == "unknown-leftover"
