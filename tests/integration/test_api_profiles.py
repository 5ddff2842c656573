"""Profiles over REST on both databases: checked, explained, compared, stored version by version, replaced by one at a
time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deidentification.profiles import BUILT_IN, digest, read_profile, write_profile
from shared.database import Database
from shared.tables import ProjectProfile
from tests.unit.api.support import Api, kind, running

PROJECT = "ABCD-study"
PATH = f"/projects/{PROJECT}/profile"
MINE = "name: ABCD\nbase: basic\nattributes:\n  SeriesDescription: clean\n  KVP: remove\n"
NEXT = MINE + "  ExposureTime: remove\n"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        yield api


def wish(content: str = MINE, reason: str = "as agreed") -> dict[str, Any]:
    return {"content": content, "reason": reason}


async def test_built_in_ones(api: Api) -> None:
    page = (await api.get("/profiles")).json()
    assert [each["name"] for each in page["items"]] == sorted(BUILT_IN)
    assert (await api.get("/profiles", limit=1, offset=1)).json()["items"] == page["items"][1:2]
    for name, profile in BUILT_IN.items():
        shown = (await api.get(f"/profiles/{name}")).json()
        assert shown["digest"] == digest(profile)
        assert read_profile(shown["content"]) == profile
        assert shown["profile"]["name"] == name
    assert kind(await api.get("/profiles/nothing")) == "unknown-profile"


async def test_checking(api: Api) -> None:
    said = (await api.post("/profiles/check", {"content": MINE})).json()
    profile = read_profile(MINE)
    assert (said["valid"], said["problems"], said["digest"]) == (True, [], digest(profile))
    assert said["content"] == write_profile(profile)
    wrong = MINE + "  PatientName: keep\n  Nonsense: remove\n"
    said = (await api.post("/profiles/check", {"content": wrong})).json()
    assert (said["valid"], said["digest"], said["profile"]) == (False, None, None)
    assert {each["where"] for each in said["problems"]} >= {"attributes.Nonsense"}
    for content in ("[", "name: 'x'\nname: y\n", "a: &a [*a, *a]", "[" * 100_000, "a\0b"):
        assert (await api.post("/profiles/check", {"content": content})).json()["valid"] is False
    assert kind(await api.post("/profiles/check", {"content": "x" * 300_000})) == "invalid-request"
    half = b'{"content": "\\ud800", "reason": "\\ud800"}'
    for method, path in (("POST", "/profiles/check"), ("PUT", PATH)):
        answer = await api.client.request(method, f"/api/v1{path}", content=half)
        assert kind(answer) in ("invalid-request", "malformed-request")


async def test_explaining(api: Api) -> None:
    async def asked(**question: Any) -> Any:
        return (await api.post("/profiles/explain", question)).json()

    basic = {"name": "basic"}
    for attribute in ("SeriesDescription", "(0008,103E)", "0008,103e"):
        said = await asked(profile=basic, attribute=attribute)
        assert (said["attribute"], said["top"]["act"], said["top"]["code"]) == ("SeriesDescription", "drop", "X")
        assert "E.1-1" in said["sentence"]
    assert (await asked(profile={"content": MINE}, attribute="KVP"))["top"]["source"] == "profile"
    ct = await asked(profile=basic, attribute="StudyTime", sop_class="1.2.840.10008.5.1.4.1.1.2")
    assert ct["top"]["type"] == "2"
    answer = await api.post("/profiles/explain", {"profile": basic, "attribute": "Nonsense"})
    assert answer.json()["errors"][0]["loc"] == ["body", "attribute"]
    assert "Nonsense" not in answer.text
    for which in ({}, {"name": "basic", "project": PROJECT}, {"name": "basic", "version": 1}):
        answer = await api.post("/profiles/explain", {"profile": which, "attribute": "KVP"})
        assert kind(answer) == "invalid-request"
    answer = await api.post("/profiles/explain", {"profile": {"content": "["}, "attribute": "KVP"})
    assert kind(answer) == "invalid-profile"
    answer = await api.post("/profiles/explain", {"profile": {"project": "nobody"}, "attribute": "KVP"})
    assert kind(answer) == "unknown-project"


async def test_comparing(api: Api) -> None:
    await api.project()
    compared: dict[str, Any] = {"old": {"project": PROJECT}, "new": {"content": MINE}}
    page = (await api.post("/profiles/diff", compared)).json()
    found = {each["attribute"]: each for each in page["items"]}
    assert found["KVP"]["after"] == "is removed"
    assert found["KVP"]["tag"] == "(0018,0060)"
    assert page["total"] == len(found) == 2
    assert (await api.post("/profiles/diff", compared | {"new": {"name": "basic"}})).json()["total"] == 0
    etag = (await api.get(PATH)).headers["etag"]
    await api.put(PATH, wish(), if_match=etag)
    compared = {"old": {"project": PROJECT, "version": 1}, "new": {"content": NEXT}}
    page = (await api.post("/profiles/diff", compared)).json()
    assert [each["attribute"] for each in page["items"]] == ["ExposureTime"]
    compared["old"] = {"project": PROJECT, "version": 2}
    assert kind(await api.post("/profiles/diff", compared)) == "unknown-profile"


async def test_a_project_and_its_versions(api: Api) -> None:
    await api.project(profile="fiona")
    first = await api.get(PATH)
    assert first.headers["etag"] == '"fiona"'
    assert (first.json()["version"], first.json()["digest"]) == (0, digest(BUILT_IN["fiona"]))
    assert (await api.get(f"{PATH}/versions")).json() == {"items": [], "total": 0}

    made = await api.put(PATH, wish(), if_match=first.headers["etag"])
    assert made.status_code == 201, made.text
    assert made.json()["version"] == 1
    assert made.json()["content"] == MINE, "as it was written, comments and all"
    assert made.json()["profile"]["attributes"]["KVP"] == "remove"
    assert (await api.get(PATH)).json() == made.json()
    assert made.headers["location"].endswith("/versions/1")

    again = await api.put(PATH, wish(NEXT, "more"), if_match=made.headers["etag"])
    assert again.json()["version"] == 2
    page = (await api.get(f"{PATH}/versions")).json()
    assert [(each["version"], each["reason"], each["author"]) for each in page["items"]] == [
        (2, "more", "k.olsen"),
        (1, "as agreed", "k.olsen"),
    ]
    assert page["items"][1]["digest"] == digest(read_profile(MINE))
    assert (await api.get(f"{PATH}/versions/1")).json()["content"] == MINE
    assert kind(await api.get(f"{PATH}/versions/3")) == "unknown-profile"
    assert (await api.get(f"{PATH}/versions/0")).status_code == 422
    assert kind(await api.get("/projects/nobody/profile")) == "unknown-project"
    assert kind(await api.get("/projects/nobody/profile/versions")) == "unknown-project"


async def test_two_people_at_once(api: Api) -> None:
    await api.project()
    etag = (await api.get(PATH)).headers["etag"]
    answers = await asyncio.gather(*(api.put(PATH, wish(reason=f"{n}"), if_match=etag) for n in range(5)))
    assert sorted(each.status_code for each in answers) == [201, 412, 412, 412, 412]
    assert {kind(each) for each in answers if each.status_code == 412} == {"profile-changed"}
    assert (await api.get(f"{PATH}/versions")).json()["total"] == 1


async def test_what_is_not_stored(api: Api) -> None:
    await api.project()
    assert kind(await api.put(PATH, wish())) == "version-required"
    assert kind(await api.put(PATH, wish(), if_match='"7"')) == "profile-changed"
    answer = await api.put(PATH, wish(MINE + "  Nonsense: remove\n"), if_match='"basic"')
    assert kind(answer) == "invalid-profile"
    [error] = answer.json()["errors"]
    assert error["loc"] == ["body", "content", "attributes.Nonsense"]
    for wrong in ({"reason": " "}, {"reason": "a\0b"}, {"author": "somebody else"}, {"content": ""}):
        assert kind(await api.put(PATH, wish() | wrong, if_match='"basic"')) == "invalid-request"
    assert kind(await api.put("/projects/nobody/profile", wish(), if_match='"basic"')) == "unknown-project"
    assert (await api.get(PATH)).json()["version"] == 0


async def test_a_version_that_this_engine_cannot_read(api: Api) -> None:
    await api.project()
    await api.add(
        ProjectProfile(project=PROJECT, version=1, name="old", content="name: old\nnever: heard\n", digest="0" * 64)
    )
    shown = (await api.get(PATH)).json()
    assert (shown["profile"], shown["name"]) == (None, "old")
    assert "never" in shown["problems"][0]["where"]
    made = await api.put(PATH, wish(), if_match='"1"')
    assert made.json()["version"] == 2


async def test_changing_a_project(api: Api) -> None:
    before = await api.project(events=["baseline"])
    await api.post("/destinations", {"name": "there", "kind": "folder"})
    change = {"description": "phase 2", "active": False, "destinations": ["here", "there"], "profile": "fiona"}
    changed = await api.patch(f"/projects/{PROJECT}", change)
    assert changed.json() == before | change
    assert (await api.patch(f"/projects/{PROJECT}", {"events": []})).json()["events"] == []
    assert (await api.get(PATH)).headers["etag"] == '"fiona"'
    for wrong in ({}, {"name": "other"}, {"profile": "nothing"}, {"description": None}, {"events": ["a", "a"]}):
        assert kind(await api.patch(f"/projects/{PROJECT}", wrong)) == "invalid-request"
    answer = await api.patch(f"/projects/{PROJECT}", {"destinations": ["here", "nowhere"]})
    assert answer.json()["errors"][0]["loc"] == ["body", "destinations", 1]
    assert kind(await api.patch("/projects/nobody", {"active": True})) == "unknown-project"
    await api.put(PATH, wish(), if_match='"fiona"')
    assert kind(await api.patch(f"/projects/{PROJECT}", {"profile": "basic"})) == "profile-of-its-own"
    assert (await api.patch(f"/projects/{PROJECT}", {"active": True})).json()["active"] is True
