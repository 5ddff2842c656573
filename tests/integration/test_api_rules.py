"""Routing rules: what one must say, their order, and trying them before they are used."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.database import Database
from shared.tables import Study
from tests.unit.api.support import Api, dicom, kind, running, series_rows, study_rows

PROJECT = "ABCD-study"
STUDY = "1.2.3"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        await api.project(PROJECT, participant_pattern=r"ABCD-\d{4}", auto_id_pattern="ABCD-{n:4}")
        await api.project("OTHER-study", participant_pattern="[A-Z0-9-]+")
        yield api


async def rule(api: Api, **values: Any) -> str:
    answer = await api.post("/rules", {"project": PROJECT, **values})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"called_aet": "ABCD"}, "patient_id or patient_name"),
        ({"auto_id": True}, "every study"),
        ({"auto_id": True, "attribute": "StudyDescription"}, "belong together"),
        ({"patient_id": ".*", "attribute_value": "x"}, "belong together"),
        ({"patient_id": ".*", "attribute": "StudyDescripton", "attribute_value": "x"}, "no keyword"),
        ({"patient_id": "(?!x).*"}, "look-around"),
        ({"project": "OTHER-study", "called_aet": "X", "auto_id": True}, "no auto_id_pattern"),
        ({"project": "SITES-study", "called_aet": "X", "auto_id": True}, "names it"),
    ],
)
async def test_what_a_rule_must_say(sqlite: Database, tmp_path: Path, wish: dict[str, Any], why: str) -> None:
    async with running(sqlite, tmp_path) as api:
        await api.project(PROJECT, auto_id_pattern="ABCD-{n:4}")
        await api.project("OTHER-study")
        await api.project("SITES-study", auto_id_pattern="{site:2}{n:3}")
        refused = await api.post("/rules", {"project": PROJECT, **wish})
        assert kind(refused) == "invalid-request"
        assert why in refused.text
        if "project" not in wish:
            there = await rule(api, called_aet="Y", patient_id="Y", attribute=None)
            changed = await api.patch(f"/rules/{there}", {"patient_id": None, "called_aet": None} | wish)
            assert kind(changed) == "invalid-request"
            assert why in changed.text


async def test_a_new_rule_is_the_last_one_unless_it_says_otherwise(api: Api) -> None:
    first = await rule(api, patient_id="a", position=30)
    more = await asyncio.gather(*(rule(api, patient_id=each) for each in "bcd"))
    items = (await api.get("/rules", project=PROJECT)).json()["items"]
    assert [each["position"] for each in items] == [30, 40, 50, 60]
    assert (items[0]["id"], {each["id"] for each in items[1:]}) == (first, set(more))


async def test_rules_change_their_order_as_they_were_seen(api: Api) -> None:
    first, second, third = [await rule(api, patient_id=each, position=place) for place, each in enumerate("abc")]
    order = f"/projects/{PROJECT}/rules/order"
    seen = await api.get(order)
    assert seen.json()["rules"] == [first, second, third]
    wanted = [third, first, second]
    assert kind(await api.put(order, {"rules": wanted})) == "version-required"
    answers = await asyncio.gather(
        *(api.put(order, {"rules": each}, if_match=seen.headers["ETag"]) for each in (wanted, [second, third, first]))
    )
    assert sorted(each.status_code for each in answers) == [200, 412], "of two, one is told to look again"
    tag = (await api.get(order)).headers["ETag"]
    assert (await api.put(order, {"rules": wanted}, if_match=tag)).json() == {"rules": wanted}
    assert [each["id"] for each in (await api.get("/rules", project=PROJECT)).json()["items"]] == wanted
    tag = (await api.get(order)).headers["ETag"]
    for wrong in ([third, first], [third, third, first], [third, first, "x"]):
        assert kind(await api.put(order, {"rules": wrong}, if_match=tag)) == "invalid-request"
    assert kind(await api.get("/projects/nobody/rules/order")) == "unknown-project"


async def test_rules_are_tried_on_a_study_that_is_here(api: Api) -> None:
    study, identity = study_rows(api.context.vault, STUDY, patient_id="ABCD-0017")
    study.called_aet, study.calling_aet = "FIONA", "CT1"
    await api.add(study, identity, *series_rows(STUDY, "1.2.3.1"))
    wide = await rule(api, called_aet="ELSEWHERE", patient_id="ABCD-.*", position=1)
    takes = await rule(api, called_aet="FIONA", patient_id="ABCD-.*", position=2, event="baseline")
    late = await rule(api, patient_id=".*", position=3)
    off = await rule(api, patient_id=".*", position=0)
    await api.patch(f"/rules/{off}", {"active": False})
    named = await rule(api, project="OTHER-study", attribute="StudyDescription", attribute_value="MR", patient_id=".*")

    async def tried(**wish: Any) -> dict[str, Any]:
        answer = await api.post("/rules/test", {"study_instance_uid": STUDY, **wish})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    result = await tried()
    by_id = {each["id"]: each for each in result["rules"]}
    assert [each["id"] for each in result["rules"] if each["project"] == PROJECT] == [off, wide, takes, late]
    assert by_id[off]["matches"]
    assert not by_id[off]["active"]
    assert by_id[wide]["conditions"] == [
        {"condition": "called_aet", "fits": False}, {"condition": "patient_id", "fits": True},
    ]  # fmt: skip
    assert by_id[named]["matches"], "by its StudyDescription"
    mine, others = result["winners"]
    assert mine == {
        "project": PROJECT, "reason": f"rule {takes}", "participant": "ABCD-0017", "made_up": False,
        "event": "baseline", "refused": None,
    }  # fmt: skip
    assert (others["project"], others["participant"], others["refused"]) == ("OTHER-study", "ABCD-0017", None)

    draft = {"project": PROJECT, "called_aet": "FIONA", "auto_id": True, "position": 1}
    result = await tried(rule=draft, project=PROJECT, instead_of=wide)
    assert [each["id"] for each in result["rules"]] == [off, "draft", takes, late]
    assert (result["winners"][0]["reason"], result["winners"][0]["made_up"]) == ("rule draft", True)
    assert result["winners"][0]["participant"] is None, "one is made up when it happens, not by trying"
    assert (await api.get(f"/projects/{PROJECT}/participants")).json()["total"] == 0
    await api.patch(f"/projects/{PROJECT}", {"auto_id_aet": "FIONA"})
    (await api.patch(f"/rules/{takes}", {"active": False}), await api.patch(f"/rules/{late}", {"active": False}))
    (winner,) = (await tried(project=PROJECT))["winners"]
    assert winner["reason"] == "auto FIONA"

    for wish, expected in (
        ({"study_instance_uid": "9.9"}, "unknown-study"),
        ({"study_instance_uid": STUDY, "project": "nobody"}, "unknown-project"),
        ({"study_instance_uid": STUDY, "instead_of": "nothing"}, "unknown-rule"),
        ({"study_instance_uid": STUDY, "called_aet": "X"}, "invalid-request"),
        ({}, "invalid-request"),
    ):
        assert kind(await api.post("/rules/test", wish)) == expected


async def test_rules_are_tried_on_a_header(api: Api) -> None:
    """Nothing of the patient comes back, not even what a rule would make the participant."""
    whole = dicom(PatientID="ABCD-0017", StudyDescription="brain ABCD", Rows=512)
    pixels_that_end = b"\xe0\x7f\x10\0OW\0\0\xff\xff\xff\0" + bytes(500)
    header = base64.b64encode(whole + pixels_that_end).decode()
    await rule(api, called_aet="ABCD", patient_id="ABCD-.*", attribute="(0008,1030)", attribute_value="ABCD")
    await rule(api, project="OTHER-study", patient_name="Doe.*", position=20)

    async def tried(**wish: Any) -> Any:
        return await api.post("/rules/test", {"header": header, **wish})

    answer = await tried(called_aet="ABCD")
    assert [each["matches"] for each in answer.json()["rules"]] == [True, True]
    mine, others = answer.json()["winners"]
    assert (mine["participant"], mine["refused"]) == ("ABCD-0017", None)
    assert (others["project"], others["participant"]) == ("OTHER-study", None)
    assert others["refused"] == "the participant does not fit the project's naming pattern"
    assert "Doe" not in answer.text
    answer = await tried(called_aet="ELSE")
    assert [each["matches"] for each in answer.json()["rules"]] == [False, True]
    unreadable = await api.post("/rules/test", {"header": base64.b64encode(b"no DICOM " * 99).decode()})
    assert kind(unreadable) == "invalid-request"
    assert kind(await api.post("/rules/test", {"header": "Doe^Jane"})) == "invalid-request"
    async with api.context.database.reading() as session:
        assert await session.get(Study, "") is None
