"""Asking twice is asking once, whatever breaks in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from services.api import idempotency
from services.api.held import HeldDatabase
from services.api.projects import get_project
from services.api.resources import rules
from shared.database import Database, DatabaseUnavailable
from shared.tables import IdempotentAnswer, RoutingRule
from shared.tables.base import now
from tests.unit.api.support import Api, kind, running, series_rows, study_rows

PROJECT = "ABCD-study"
RULE = {"project": PROJECT, "patient_id": "X.*"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database, tmp_path / "store") as api:
        await api.project()
        yield api


async def keyed(api: Api, path: str = "/rules", body: Any = RULE, key: str = KEY) -> httpx.Response:
    return await api.post(path, body, **{"Idempotency-Key": key})


async def counted(api: Api, table: Any = RoutingRule) -> int:
    async with api.context.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_the_same_key_is_answered_the_same_and_done_once(api: Api) -> None:
    first, again, quoted = await keyed(api), await keyed(api), await keyed(api, key=f'"{KEY}"')
    assert first.status_code == 201
    assert idempotency.REPLAYED not in first.headers
    for each in (again, quoted):
        assert (each.status_code, each.content) == (201, first.content)
        assert each.headers[idempotency.REPLAYED] == "true"
        assert [each.headers[name] for name in ("location", "etag")] == [
            first.headers[name] for name in ("location", "etag")
        ]
    assert (await keyed(api, key="another")).json()["id"] != first.json()["id"]
    assert await counted(api) == 2
    async with api.context.database.reading() as session:
        kept = (await session.scalars(select(IdempotentAnswer.answer))).all()
    assert len(kept) == 2
    assert not any(first.json()["id"].encode() in each for each in kept), "it may name a patient"


async def test_a_key_names_one_request(api: Api) -> None:
    await keyed(api)
    other = await keyed(api, body=RULE | {"position": 1})
    assert (other.status_code, kind(other)) == (422, "key-of-another-request")
    assert (await keyed(api, "/destinations", {"name": "there", "kind": "folder"})).status_code == 201
    for bad in ("", "with space", '"', "x" * 201):
        refused = await keyed(api, key=bad)
        assert kind(refused) == "invalid-request"
        assert refused.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


async def test_what_fails_or_writes_nothing_keeps_nothing(api: Api) -> None:
    assert kind(await keyed(api, body=RULE | {"project": "OTHER-study"})) == "unknown-project"
    assert kind(await keyed(api, body={"project": PROJECT})) == "invalid-request"
    assert (await keyed(api, "/studies/search", {})).status_code == 200
    assert await counted(api, IdempotentAnswer) == 0
    assert (await keyed(api)).status_code == 201


async def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    first = await keyed(api)
    await keyed(api, key="another")
    async with api.context.database.session() as session:
        await session.execute(update(IdempotentAnswer).values(expires_at=now() - timedelta(seconds=1)))
    assert (await keyed(api, body=RULE | {"position": 1})).json()["id"] != first.json()["id"]
    assert await counted(api, IdempotentAnswer) == 1


async def test_an_assignment_is_owed_once_and_its_answer_kept(api: Api) -> None:
    await api.add(*study_rows(api.context.vault, "1.2.3"), *series_rows("1.2.3", "1.2.3.1"))
    wish = {"project": PROJECT, "participant": "X1"}
    first, again = [await keyed(api, "/studies/1.2.3/assignments", wish) for _ in range(2)]
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert len(await api.owed()) == 1
    entries = {"entries": [{"study_instance_uid": "1.2.3", "participant": "X1"}]}
    coupled, the_same = [await keyed(api, f"/projects/{PROJECT}/coupling", entries) for _ in range(2)]
    assert coupled.status_code == 201, coupled.text
    assert coupled.json() == the_same.json()
    assert len(await api.owed()) == 2


async def test_of_two_at_once_one_is_told_to_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each from a process of its own: only the database can tell them."""
    at_it, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any) -> Any:
        at_it.set()
        await go_on.wait()
        return await get_project(*arguments)

    monkeypatch.setattr(rules, "get_project", slowly)
    first = asyncio.create_task(keyed(api))
    await at_it.wait()
    second = await keyed(api)
    assert (second.status_code, kind(second)) == (409, "key-in-use")
    if not api.context.database.sqlite:
        idempotency._under_way.clear()
        assert kind(await keyed(api)) == "key-in-use", "from another process"
    go_on.set()
    assert (await first).status_code == 201
    assert (await keyed(api)).content == (await first).content
    assert await counted(api) == 1


async def test_a_crash_leaves_both_or_neither(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping = idempotency._keep

    async def crashed(*_: Any) -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(idempotency, "_keep", crashed)
    answer = await keyed(api)
    assert (answer.status_code, kind(answer)) == (503, "database-unavailable")
    assert await counted(api) == 0
    monkeypatch.setattr(idempotency, "_keep", keeping)
    assert (await keyed(api)).status_code == 201
    assert await counted(api) == 1


async def test_whoever_goes_before_the_answer_finds_it_afterwards(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is given up while its effect is not committed leaves nothing."""
    at_it = asyncio.Event()

    @asynccontextmanager
    async def never(*_: Any) -> AsyncIterator[None]:
        at_it.set()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(HeldDatabase, "session", never)
    asking = asyncio.create_task(keyed(api))
    await at_it.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    monkeypatch.undo()
    assert (await keyed(api)).status_code == 201
