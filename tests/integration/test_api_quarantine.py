"""Quarantine over REST on both databases: shown, grouped, and each instance decided about once."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import MRImageStorage

from shared.database import Database
from shared.events import QuarantineReviewed
from shared.log import configure
from shared.tables import (
    Instance,
    QuarantinedInstance,
    QuarantineReview,
    Transfer,
    TransferPart,
)
from tests.people import MANAGER, TESTER
from tests.unit.api.support import Api, assignment, dicom, kind, running, series_rows, study_rows

PROJECT = "ABCD-study"
STUDY, FIRST, SECOND = "1.2.3", "1.2.3.1", "1.2.3.2"
SECRET = "Doe^Jane told us"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        await with_transfer(api, "t1")
        await api.add(
            *(quarantined("t1", f"{FIRST}.{number}", FIRST, "text-in-pixels") for number in (1, 2, 3)),
            quarantined("t1", f"{SECOND}.1", SECOND, "gate-name", where="(0008,103E)"),
            quarantined("t1", f"{SECOND}.2", SECOND, "truncated", where=""),
        )
        yield api


async def with_transfer(api: Api, identity: str) -> None:
    """A transfer of two series (four and two instances) to two destinations."""
    taken = assignment(STUDY, PROJECT)
    await api.add(
        taken,
        Transfer(
            id=identity,
            assignment=taken.id,
            study_instance_uid=STUDY,
            project=PROJECT,
            participant="X1",
            event="Unknown",
            destinations=["here", "there"],
            reason="person",
            state="quarantined",
            instances=6,
            profile="basic",
            profile_version="1",
        ),
        *(
            TransferPart(
                transfer=identity,
                assignment=taken.id,
                series_instance_uid=series,
                revision=1,
                destination=destination,
                instances=number,
            )
            for series, number in ((FIRST, 4), (SECOND, 2))
            for destination in ("here", "there")
        ),
    )


def quarantined(
    transfer: str, sop: str, series: str, rule: str, where: str = "(7FE0,0010)", project: str = PROJECT
) -> QuarantinedInstance:
    return QuarantinedInstance(
        transfer=transfer,
        sop_instance_uid=sop,
        series_instance_uid=series,
        revision=1,
        project=project,
        rule=rule,
        reason=f"it does not work [{rule}]",
        where=where,
    )


async def decide(api: Api, transfer: str = "t1", decision: str = "release", **named: Any) -> Any:
    body = {"decision": decision, "reason": SECRET, **named}
    return await api.post(f"/transfers/{transfer}/reviews", body)


async def test_what_is_there(api: Api) -> None:
    await api.add(quarantined("t0", "9.9", "9", "", project="OTHER"))

    async def found(**query: Any) -> list[str]:
        page = (await api.get("/quarantine", **query)).json()
        assert page["total"] == len(page["items"])
        return sorted(each["sop_instance_uid"] for each in page["items"])

    assert len(await found()) == 6
    assert await found(project="OTHER") == ["9.9"]
    assert await found(transfer="t0") == ["9.9"]
    assert await found(rule="gate-name") == [f"{SECOND}.1"]
    assert await found(series=SECOND) == [f"{SECOND}.1", f"{SECOND}.2"]
    assert await found(series=SECOND, rule="truncated") == [f"{SECOND}.2"]
    assert await found(state="decided") == []
    page = (await api.get("/quarantine", limit=2, offset=1)).json()
    assert (len(page["items"]), page["total"]) == (2, 6)
    item = (await api.get("/quarantine", rule="gate-name")).json()["items"][0]
    assert (item["where"], item["releasable"], item["review"]) == ("(0008,103E)", True, None)
    assert "release" in item["advice"]
    stuck = (await api.get("/quarantine", rule="truncated")).json()["items"][0]
    assert not stuck["releasable"]
    assert "release" not in stuck["advice"]
    for wrong in ({"state": "else"}, {"rule": "Doe^Jane"}, {"transfer": "a\0b"}, {"series": "x"}):
        assert kind(await api.get("/quarantine", **wrong)) == "invalid-request"


async def test_of_one_transfer(api: Api) -> None:
    page = (await api.get("/transfers/t1/quarantine", limit=2)).json()
    assert (len(page["items"]), page["total"]) == (2, 5)
    assert kind(await api.get("/transfers/none/quarantine")) == "unknown-transfer"
    shown = (await api.get("/transfers/t1")).json()
    assert len(shown["quarantine"]) == 5
    assert (shown["profile"], shown["profile_version"], shown["profile_digest"]) == ("basic", "1", None)
    assert (shown["left_out"], shown["review"]) == (0, None)


async def test_how_often_over_the_series(api: Api) -> None:
    await api.add(quarantined("t1", f"{FIRST}.4", FIRST, "text-in-pixels", where="(0008,0008)"))
    page = (await api.get("/quarantine/groups")).json()
    assert page["total"] == 3
    first = page["items"][0]
    assert {name: first[name] for name in ("series_instance_uid", "rule", "quarantined", "open", "of", "places")} == {
        "series_instance_uid": FIRST, "rule": "text-in-pixels", "quarantined": 4, "open": 4, "of": 4, "places": 2,
    }  # fmt: skip
    assert {(each["rule"], each["quarantined"], each["of"]) for each in page["items"][1:]} == {
        ("gate-name", 1, 2),
        ("truncated", 1, 2),
    }
    assert (await decide(api, rule="gate-name")).status_code == 201
    assert (await api.get("/quarantine/groups")).json()["total"] == 2
    every = (await api.get("/quarantine/groups", state="all", rule="gate-name")).json()["items"]
    assert [(each["quarantined"], each["open"]) for each in every] == [(1, 0)]
    assert (await api.get("/quarantine/groups", limit=1, offset=1)).json()["total"] == 2


async def test_a_release(api: Api) -> None:
    made = await decide(api, rule="text-in-pixels")
    assert made.status_code == 201, made.text
    review = made.json()
    assert (review["instances"], review["rules"], review["reason"]) == (3, {"text-in-pixels": 3}, SECRET)
    [event] = await api.owed()
    assert event == QuarantineReviewed(review=review["id"], transfer="t1", decision="release", instances=3)
    decided = (await api.get("/quarantine", state="decided", review=review["id"])).json()
    assert [(each["decision"], each["review"]) for each in decided["items"]] == [("release", review["id"])] * 3
    assert (await api.get("/quarantine")).json()["total"] == 2
    assert (await api.get("/counts")).json()["undecided"] == 2
    async with api.context.database.reading() as session:
        row = await session.get_one(QuarantineReview, review["id"])
    assert api.context.vault.decrypt(row.reason) == SECRET
    assert SECRET.encode() not in row.reason


async def test_reasons_are_for_the_role(api: Api) -> None:
    identity = (await decide(api, "t1", "drop", all=True)).json()["id"]
    async with api.context.database.reading() as session:
        taken = (await session.get_one(Transfer, "t1")).assignment
    await api.add(
        Transfer(
            id="t2", assignment=taken, study_instance_uid=STUDY, project=PROJECT, participant="X1",
            event="Unknown", reason=f"review {identity}", review=identity, state="sending",
        ),
    )  # fmt: skip
    for path in ("/reviews", f"/reviews?project={PROJECT}", "/reviews?transfer=t1", f"/reviews/{identity}"):
        for answer, reason in ((await api.by(MANAGER, "GET", path), None), (await api.get(path), SECRET)):
            said = answer.json()
            item = said["items"][0] if "items" in said else said
            assert (item["reason"], item["reviewer"], item["instances"]) == (reason, TESTER, 5)
            assert (item["next_transfer"], item["next_state"]) == ("t2", "sending")
    assert (await api.get("/reviews", project="OTHER")).json() == {"items": [], "total": 0}
    assert kind(await api.get("/reviews/none")) == "unknown-review"


async def test_a_second_reviewer_is_told_and_nobody_is_named(api: Api) -> None:
    named = [f"{FIRST}.1", f"{FIRST}.2"]
    assert (await decide(api, instances=named)).status_code == 201
    for again in (named[:1], [*named[1:], f"{FIRST}.3"]):
        answer = await decide(api, decision="drop", instances=again)
        assert (answer.status_code, kind(answer)) == (409, "already-reviewed")
        assert "olsen" not in answer.text
    assert (await decide(api, decision="drop", rule="text-in-pixels")).json()["instances"] == 1, "those that are open"
    assert kind(await decide(api, decision="drop", rule="text-in-pixels")) == "already-reviewed"
    assert len(await api.owed()) == 2


async def test_many_at_once_are_one(api: Api) -> None:
    answers = await asyncio.gather(*(decide(api, decision="drop", all=True) for _ in range(6)))
    assert sorted(each.status_code for each in answers) == [201, 409, 409, 409, 409, 409]
    assert len(await api.owed()) == 1
    assert (await api.get("/reviews")).json()["total"] == 1


@pytest.mark.parametrize(
    ("decision", "named", "expected"),
    [
        ("release", {"all": True}, "not-releasable"),
        ("release", {"rule": "truncated"}, "not-releasable"),
        ("release", {"instances": [f"{SECOND}.2"]}, "not-releasable"),
        ("repeat", {"rule": "nothing"}, "unknown-quarantined-instance"),
        ("repeat", {"series": "9.9"}, "unknown-quarantined-instance"),
        ("repeat", {"instances": [f"{FIRST}.1", "9.9"]}, "unknown-quarantined-instance"),
        ("repeat", {}, "invalid-request"),
        ("repeat", {"all": False}, "invalid-request"),
        ("repeat", {"all": True, "rule": "truncated"}, "invalid-request"),
        ("repeat", {"instances": []}, "invalid-request"),
        ("keep", {"all": True}, "invalid-request"),
        ("drop", {"all": True, "reason": " "}, "invalid-request"),
        ("drop", {"all": True, "reason": "a\0"}, "invalid-request"),
    ],
)
async def test_what_is_not_decided(api: Api, decision: str, named: dict[str, Any], expected: str) -> None:
    answer = await decide(api, decision=decision, **named)
    assert kind(answer) == expected
    assert SECRET not in answer.text
    if expected == "not-releasable":
        assert "truncated: it cannot be read whole" in answer.json()["detail"]
    assert await api.owed() == []
    assert (await api.get("/quarantine", state="decided")).json()["total"] == 0


async def test_where_nothing_can_be_decided(api: Api) -> None:
    assert kind(await decide(api, "none", all=True)) == "unknown-transfer"
    await api.patch(f"/projects/{PROJECT}", {"active": False})
    assert kind(await decide(api, decision="repeat", all=True)) == "project-inactive"
    await api.patch(f"/projects/{PROJECT}", {"active": True})
    async with api.context.database.session() as session:
        (await session.get_one(Transfer, "t1")).state = "cancelled"
    assert kind(await decide(api, decision="repeat", all=True)) == "transfer-ended", "the router would do nothing"
    assert (await decide(api, decision="drop", all=True)).status_code == 201


async def test_only_those_who_review_decide(api: Api) -> None:
    body = {"decision": "repeat", "reason": "x", "rule": "text-in-pixels"}
    assert kind(await api.by(MANAGER, "POST", "/transfers/t1/reviews", body)) == "forbidden"
    assert kind(await api.post("/transfers/t1/reviews", body | {"reviewer": "somebody else"})) == "invalid-request"
    assert (await api.post("/transfers/t1/reviews", body)).json()["reviewer"] == TESTER


async def test_the_value(api: Api) -> None:
    path = "/transfers/t1/quarantine/{}/value"
    await api.add(*study_rows(api.context.vault, STUDY), *series_rows(STUDY, SECOND, 0))
    store = api.context.store
    place = store.instance(STUDY, f"{SECOND}.1")
    store.write(place, dicom(STUDY, f"{SECOND}.1", SeriesDescription="knee DOE"))
    await api.add(
        *(
            Instance(
                sop_instance_uid=f"{SECOND}.{number}",
                series_instance_uid=SECOND,
                study_instance_uid=STUDY,
                sop_class_uid=MRImageStorage,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                path=store.instance(STUDY, f"{SECOND}.{number}"),
                size=1,
                association="a",
            )
            for number in (1, 2)
        )
    )
    stream = io.StringIO()
    configure(stream=stream)
    shown = await api.get(path.format(f"{SECOND}.1"))
    assert shown.json() == {
        "sop_instance_uid": f"{SECOND}.1", "rule": "gate-name", "where": "(0008,103E)", "remark": None,
        "keyword": "SeriesDescription", "vr": "LO", "value": "knee DOE", "whole": True,
    }  # fmt: skip
    assert "quarantined value shown" in stream.getvalue()
    assert "(0008,103E)" in stream.getvalue()
    assert "DOE" not in stream.getvalue()
    assert kind(await api.by(MANAGER, "GET", path.format(f"{SECOND}.1"))) == "forbidden"
    assert kind(await api.get(path.format(f"{SECOND}.2"))) == "file-gone"
    store.write(store.instance(STUDY, f"{SECOND}.2"), b"no DICOM")
    said = (await api.get(path.format(f"{SECOND}.2"))).json()
    assert (said["value"], said["remark"]) == (None, "the rule is about the file as a whole")
    assert kind(await api.get(path.format("9.9"))) == "unknown-quarantined-instance"
