"""What is left in a project over REST on both databases: searched, marked, and made into a next profile."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from deidentification.profiles import read_profile
from deidentification.profiles.model import Remove
from shared.database import Database
from shared.tables import KeptAttribute
from tests.people import MANAGER, TESTER
from tests.unit.api.support import Api, kind, running

PROJECT = "ABCD-study"
PATH = f"/projects/{PROJECT}/attributes"
PROPOSAL = f"/projects/{PROJECT}/profile/proposal"
DESCRIPTION, KVP, CODE = "(0008,1030)", "(0018,0060)", "(0040,0260)>(0008,0104)"


def kept(path: str, keyword: str, vr: str, value: str | None, count: int, project: str = PROJECT) -> KeptAttribute:
    return KeptAttribute(
        project=project,
        path=path,
        value_hash=sha256(value.encode()).hexdigest() if value is not None else "",
        keyword=keyword,
        vr=vr,
        value=value,
        count=count,
    )


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        await api.add(
            kept(DESCRIPTION, "StudyDescription", "LO", "CT head", 5),
            kept(DESCRIPTION, "StudyDescription", "LO", "Ward 7 % Hansen", 1),
            *(kept(KVP, "KVP", "DS", f"{number}", number) for number in range(100, 115)),
            kept(KVP, "KVP", "DS", None, 7),
            kept(CODE, "CodeMeaning", "LO", "Head", 2),
            kept("(0008,0018)", "SOPInstanceUID", "UI", None, 9),
            kept("(0029,1010)", "", "LO", "private", 3),
            kept(DESCRIPTION, "StudyDescription", "LO", "CT head", 50, project="OTHER"),
        )
        yield api


async def paths(api: Api, **search: Any) -> list[str]:
    page = (await api.post(f"{PATH}/search", search)).json()
    assert page["total"] == len(page["items"])
    return [each["path"] for each in page["items"]]


async def mark(api: Api, path: str, verdict: str = "must-go", reason: str = "Hansen's ward") -> Any:
    return await api.post(f"{PATH}/marks", {"path": path, "verdict": verdict, "reason": reason})


async def test_what_is_left(api: Api) -> None:
    page = (await api.get(PATH)).json()
    assert [each["path"] for each in page["items"]] == ["(0008,0018)", DESCRIPTION, KVP, "(0029,1010)", CODE]
    description, kvp = page["items"][1:3]
    assert description["values"] == [{"value": "CT head", "count": 5}, {"value": "Ward 7 % Hansen", "count": 1}]
    assert (description["count"], description["distinct"], description["mark"]) == (6, 2, None)
    assert (kvp["count"], kvp["distinct"], len(kvp["values"])) == (sum(range(100, 115)) + 7, 15, 10)
    assert kvp["values"][0] == {"value": "114", "count": 114}
    assert page["items"][0]["values"] == [{"value": None, "count": 9}]
    assert (await api.get(PATH, limit=2, offset=4)).json()["items"] == page["items"][4:]
    by_count = (await api.get(PATH, sort="count")).json()["items"]
    assert by_count[0]["path"] == KVP
    assert [each["path"] for each in (await api.get(PATH, vr="DS")).json()["items"]] == [KVP]
    assert kind(await api.get("/projects/nobody/attributes")) == "unknown-project"


async def test_searching(api: Api) -> None:
    assert await paths(api, text="hansen") == [DESCRIPTION]
    assert await paths(api, text="0040,0260") == [CODE]
    assert await paths(api, text="codemean") == [CODE]
    assert await paths(api, text="7 % h") == [DESCRIPTION]
    assert await paths(api, text="%") == [DESCRIPTION], "no wildcard"
    assert await paths(api, text="head", vr="LO") == [DESCRIPTION, CODE]
    assert await paths(api, text="nothing") == []
    [found] = (await api.post(f"{PATH}/search", {"text": "hansen"})).json()["items"]
    assert found["count"] == 6, "the attribute is counted whole"
    for wrong in ({"text": ""}, {"text": "a\0b"}, {"vr": "lo"}, {"sort": "else"}, {"mark": "else"}):
        assert kind(await api.post(f"{PATH}/search", wrong)) == "invalid-request"


async def test_every_value(api: Api) -> None:
    page = (await api.get(f"{PATH}/values", path=KVP, limit=3, offset=1)).json()
    assert page["total"] == 16
    assert [each["value"] for each in page["items"]] == ["113", "112", "111"]
    assert kind(await api.get(f"{PATH}/values", path="(0008,0000)")) == "unknown-attribute"
    assert kind(await api.get(f"{PATH}/values", path="Doe^Jane")) == "invalid-request"


async def test_marks(api: Api) -> None:
    made = (await mark(api, DESCRIPTION)).json()
    assert (made["verdict"], made["reason"]) == ("must-go", None)
    assert await paths(api, mark="must-go") == [DESCRIPTION]
    assert len(await paths(api, mark="none")) == 4
    [shown] = (await api.by(MANAGER, "POST", f"{PATH}/search", {"mark": "must-go"})).json()["items"]
    assert (shown["mark"]["reviewer"], shown["mark"]["reason"]) == (TESTER, None)
    [shown] = (await api.post(f"{PATH}/search", {"mark": "must-go"})).json()["items"]
    assert shown["mark"]["reason"] == "Hansen's ward"
    assert (await mark(api, DESCRIPTION, "fine", "asked the clinic")).json()["verdict"] == "fine"
    assert await paths(api, mark="must-go") == []
    assert await paths(api, mark="fine") == [DESCRIPTION]
    assert kind(await mark(api, "(0008,0000)")) == "unknown-attribute"
    assert kind(await mark(api, DESCRIPTION, "perhaps")) == "invalid-request"
    assert kind(await mark(api, DESCRIPTION, reason="")) == "invalid-request"


async def test_from_marks_to_the_next_profile(api: Api) -> None:
    before = await api.get(PROPOSAL)
    assert (before.json()["paths"], before.json()["changes"], before.headers["etag"]) == ([], [], '"basic"')
    nothing = await api.post(f"{PROPOSAL}/accept", {}, if_match='"basic"')
    assert kind(nothing) == "nothing-proposed"

    for path in (KVP, CODE, "(0008,0018)", "(0029,1010)"):
        await mark(api, path)
    proposed = await api.get(PROPOSAL)
    said = proposed.json()
    assert said["paths"] == [KVP, CODE]
    changed = {each["attribute"]: each["after"] for each in said["changes"]}
    assert changed["KVP"] == "is removed"
    assert "CodeMeaning" in changed
    assert {each["where"] for each in said["problems"]} == {"(0008,0018)", "(0029,1010)"}
    assert "creator" in said["problems"][1]["what"]
    assert read_profile(said["content"]).name == f"basic-{PROJECT}"

    assert kind(await api.post(f"{PROPOSAL}/accept", {})) == "version-required"
    assert kind(await api.post(f"{PROPOSAL}/accept", {}, if_match='"1"')) == "profile-changed"
    made = await api.post(f"{PROPOSAL}/accept", {}, if_match=proposed.headers["etag"])
    assert made.status_code == 201, made.text
    assert (made.json()["version"], made.json()["reason"]) == (1, "attributes that reviewers marked")
    assert made.json()["digest"] == said["digest"]
    removed = {each.tag for each in read_profile(made.json()["content"]).attributes if isinstance(each.action, Remove)}
    assert removed == {0x00180060, 0x00080104}
    again = (await api.get(PROPOSAL)).json()
    assert (again["replaces"], again["paths"]) == (1, [])
    assert kind(await api.post(f"{PROPOSAL}/accept", {}, if_match='"1"')) == "nothing-proposed"


async def test_a_mark_beats_what_the_profile_says_of_the_attribute(api: Api) -> None:
    content = (
        "name: mine\nbase: basic\nattributes:\n  StudyDescription: clean\n  KVP: {action: remove, nested: false}\n"
    )
    made = await api.put(f"/projects/{PROJECT}/profile", {"content": content, "reason": "x"}, if_match='"basic"')
    assert made.status_code == 201, made.text
    await mark(api, DESCRIPTION)
    await mark(api, KVP)
    said = (await api.get(PROPOSAL)).json()
    assert said["paths"] == [DESCRIPTION, KVP]
    assert said["profile"]["attributes"] == {"StudyDescription": "remove", "KVP": "remove"}
    assert said["profile"]["name"] == "mine"
