"""What people edit: seen with its ETag, changed only as it was seen, removed only when nobody needs it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.database import Database
from shared.tables import Transfer, TransferPart
from shared.tables.base import now
from tests.unit.api.support import Api, assignment, kind, running

PROJECT = "ABCD-study"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        yield api


async def rule(api: Api, **values: Any) -> str:
    made = await api.post("/rules", {"project": PROJECT, "patient_id": "X.*", "position": 3, **values})
    assert made.status_code == 201, made.text
    path = made.headers["location"].removeprefix("/api/v1")
    assert (await api.get(path)).headers["etag"] == made.headers["etag"]
    return str(path)


async def of_each_kind(api: Api) -> list[tuple[str, dict[str, Any]]]:
    """Paths of things that people edit, and a change to each."""
    return [
        (f"/projects/{PROJECT}", {"description": "phase 2"}),
        (await rule(api), {"position": 7}),
        ("/destinations/here", {"config": {"folder": "elsewhere"}}),
    ]


async def test_whoever_changes_says_what_was_seen(api: Api) -> None:
    for path, change in await of_each_kind(api):
        seen = (await api.get(path)).headers["etag"]
        assert kind(await api.client.patch(f"/api/v1{path}", json=change)) == "version-required"
        changed = await api.patch(path, change, if_match=seen)
        assert changed.status_code == 200, changed.text
        assert change.items() <= changed.json().items()
        again = await api.patch(path, change, if_match=seen)
        assert (again.status_code, kind(again)) == (412, "changed-meanwhile")
        assert (await api.patch(path, change, if_match=changed.headers["etag"])).status_code == 200
        assert (await api.patch(path, change)).status_code == 200, "whatever is there"


async def test_of_two_who_saw_the_same_one_is_told_to_look_again(api: Api) -> None:
    for path, change in await of_each_kind(api):
        seen = (await api.get(path)).headers["etag"]
        answers = await asyncio.gather(*(api.patch(path, change, if_match=seen) for _ in range(4)))
        assert sorted(each.status_code for each in answers) == [200, 412, 412, 412]


async def test_who_has_it_already_is_not_told_again(api: Api) -> None:
    for path in (*[path for path, _ in await of_each_kind(api)], f"/projects/{PROJECT}/profile"):
        shown = await api.get(path)
        known = {"If-None-Match": shown.headers["etag"]}
        nothing = await api.client.get(f"/api/v1{path}", headers=known)
        assert (nothing.status_code, nothing.content) == (304, b"")
        assert nothing.headers["etag"] == shown.headers["etag"]
        assert (await api.client.get(f"/api/v1{path}", headers={"If-None-Match": '"other"'})).status_code == 200


async def test_counts_are_news_but_no_change(api: Api) -> None:
    path = f"/projects/{PROJECT}"
    seen = (await api.get(path)).headers["etag"]
    await api.add(assignment("1.2.3", PROJECT))
    assert (await api.client.get(f"/api/v1{path}", headers={"If-None-Match": seen})).json()["studies"] == 1
    assert (await api.patch(path, {"description": "x"}, if_match=seen)).status_code == 200


async def test_a_rule_is_changed_and_removed(api: Api) -> None:
    path = await rule(api, called_aet="ABCD")
    other = await rule(api)
    changed = (await api.patch(path, {"called_aet": None, "active": False, "event": "week 1"})).json()
    assert (changed["called_aet"], changed["active"], changed["event"], changed["position"]) == (
        None,
        False,
        "week 1",
        3,
    )
    assert kind(await api.patch(path, {"patient_id": None})) == "invalid-request", "it would fit nobody"
    assert kind(await api.patch(path, {})) == "invalid-request"
    await api.patch(f"/projects/{PROJECT}", {"events": ["baseline"]})
    assert kind(await api.patch(path, {"event": "week 1"})) == "event-not-allowed"
    seen = (await api.get(other)).headers["etag"]
    assert kind(await api.delete(path, if_match=seen)) == "changed-meanwhile"
    assert (await api.delete(path)).status_code == 204
    for missing in (await api.get(path), await api.patch(path, {"position": 1}), await api.delete(path)):
        assert kind(missing) == "unknown-rule"
    assert (await api.get("/rules", project=PROJECT)).json()["total"] == 1
    assert (await api.get("/rules", project="OTHER-study")).json()["total"] == 0


async def test_a_destination_goes_when_nobody_needs_it(api: Api) -> None:
    for missing in (await api.get("/destinations/no"), await api.patch("/destinations/no", {"config": {}})):
        assert kind(missing) == "unknown-destination"
    assert kind(await api.patch("/destinations/here", {"config": {"port": 1}})) == "invalid-request"
    used = await api.delete("/destinations/here")
    assert (kind(used), used.json()["detail"]) == ("destination-in-use", f"by {PROJECT}")
    await api.patch(f"/projects/{PROJECT}", {"destinations": []})

    to_project = assignment("1.2.3", PROJECT)
    transfer = Transfer(
        id="t", assignment=to_project.id, study_instance_uid="1.2.3", project=PROJECT, participant="X1", event="e",
        destinations=["here"], reason="person", instances=1,
    )  # fmt: skip
    part = TransferPart(
        transfer="t", assignment=to_project.id, series_instance_uid="1.2.3.1", revision=1, destination="here",
        instances=1,
    )  # fmt: skip
    await api.add(to_project, transfer, part)
    assert kind(await api.delete("/destinations/here")) == "destination-in-use"
    async with api.context.database.session() as session:
        (await session.get_one(Transfer, "t")).finished_at = now()
    assert (await api.delete("/destinations/here")).status_code == 204
    assert kind(await api.delete("/destinations/here")) == "unknown-destination"
    wish = {"destinations": ["here"]}
    assert kind(await api.patch(f"/projects/{PROJECT}", wish)) == "invalid-request"


async def test_a_list_says_how_it_goes_on(api: Api) -> None:
    for _ in range(3):
        await rule(api)
    middle = await api.get("/rules", project=PROJECT, limit=1, offset=1)
    path = f"/api/v1/rules?project={PROJECT}&limit=1&offset="
    assert middle.headers["link"] == f'<{path}2>; rel="next", <{path}0>; rel="prev"'
    assert middle.links["next"]["url"] == f"{path}2"
    assert (await api.get("/rules", project=PROJECT, limit=2, offset=1)).headers["link"].count("rel") == 1
    assert "link" not in (await api.get("/rules")).headers
    assert "link" not in (await api.get(f"/projects/{PROJECT}")).headers
