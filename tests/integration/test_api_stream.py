"""The stream as it is served: real clients over TCP, beside the router, on both databases."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from services.api.service import service as api_service
from services.api.stream import feed
from services.router.service import service as router_service
from shared.bus import Message
from shared.crypto import Vault
from shared.database import Database
from shared.events import SeriesAnonymized, SeriesArrived, StudyArrived
from shared.ledger import add
from shared.tables import Change
from shared.tables.base import now
from tests.people import BEARER
from tests.unit.api.serving import put, served, until
from tests.unit.api.support import KEY, series_rows, study_rows

STUDY = "1.2.3"
Said = tuple[str, str | None, dict[str, Any]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


@asynccontextmanager
async def watched(client: httpx.AsyncClient, last: str | None = None) -> AsyncIterator[AsyncIterator[Said]]:
    """What is told: sort, id, data."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with client.stream("GET", "/api/v1/stream", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")

        async def told() -> AsyncIterator[Said]:
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    yield fields["event"], fields.get("id"), json.loads(fields.get("data", "{}"))
                    fields = {}

        yield told()


async def heard(told: AsyncIterator[Said], sort: str, **values: Any) -> Said:
    """The next that fits."""
    async with asyncio.timeout(120):
        async for said in told:
            if said[0] == sort and values.items() <= said[2].items():
                return said
    raise AssertionError("it ended")


async def arrived(url: str) -> None:
    """What the indexer writes and says of a study."""
    rows = [*study_rows(Vault(KEY.encode()), STUDY, accession="ACC-1"), *series_rows(STUDY, f"{STUDY}.1")]
    await put(url, rows)
    await say(
        url,
        SeriesArrived(study_instance_uid=STUDY, series_instance_uid=f"{STUDY}.1", revision=1, instances=2, total=2),
        StudyArrived(study_instance_uid=STUDY, series=1, instances=2),
    )


async def say(url: str, *events: Any) -> None:
    database = Database(url)
    async with database.session() as session:
        await add(session, [Message.of(each) for each in events])
    await database.close()


async def test_a_study_is_followed_to_its_quarantine(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(url, tmp_path / "store", monkeypatch, api_service, router_service) as client:
        await client.post("/api/v1/destinations", json={"name": "here", "kind": "folder"})
        await client.post("/api/v1/projects", json={"name": "ABCD-study", "destinations": ["here"]})
        async with watched(client) as told:
            hello, begun, _ = await heard(told, "hello")
            assert (hello, begun) == ("hello", "0")
            await arrived(url)
            study = await heard(told, "study", study_instance_uid=STUDY)
            assert (study[2]["series"], study[2]["instances"], study[2]["arrived"]) == (1, 2, True)
            wish = {"project": "ABCD-study", "participant": "X1"}
            assert (await client.post(f"/api/v1/studies/{STUDY}/assignments", json=wish)).status_code == 202
            assert (await heard(told, "assignment", participant="X1"))[2]["refused"] is None
            transfer = await heard(told, "transfer", state="requested")
            assert (transfer[2]["instances"], transfer[2]["anonymized"]) == (2, 0)
            anonymized = SeriesAnonymized(
                transfer=transfer[2]["id"], parts=1, destinations=("here",), project="ABCD-study",
                series_instance_uid=f"{STUDY}.1", revision=1, target_study_instance_uid="2.25.1", manifest="m",
                instances=1, quarantined=1,
            )  # fmt: skip
            await say(url, anonymized)
            assert (await heard(told, "transfer", anonymized=1))[2]["quarantined"] == 1

        # Another replica: what was missed is told, as it stands now.
        async with served(url, tmp_path / "store", monkeypatch, api_service) as other, watched(other, begun) as told:
            await heard(told, "study", study_instance_uid=STUDY)
            _, last, _ = await heard(told, "quarantine", project="ABCD-study")
            await heard(told, "transfer", anonymized=1)
        async with watched(client, last) as told:
            await say(url, StudyArrived(study_instance_uid=STUDY, series=1, instances=2))
            await heard(told, "study")


async def test_what_is_too_long_ago_is_said(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
        async with watched(client, "4711") as told:
            assert (await heard(told, "reset"))[1] == "0"
        assert (await client.get("/api/v1/stream", headers={"Last-Event-ID": "x"})).status_code == 422
        await arrived(url)
        monkeypatch.setattr(feed, "RESUMED", 0)
        async with watched(client, "0") as told:
            await heard(told, "reset")
        database = Database(url)
        async with database.session() as session:
            await session.execute(update(Change).values(at=now() - timedelta(days=2)))

        async def forgotten() -> bool:
            async with database.reading() as session:
                return not await session.scalar(select(func.count()).select_from(Change))

        async with watched(client):
            await until(forgotten)
        await database.close()


async def test_whoever_watches_is_sent_away_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    watching: asyncio.Task[Said] | None = None
    async with httpx.AsyncClient(trust_env=False, timeout=120, headers=BEARER) as apart:
        async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
            apart.base_url = client.base_url
            begun = asyncio.Event()

            async def watch() -> Said:
                async with watched(apart) as told:
                    await heard(told, "hello")
                    begun.set()
                    return await heard(told, "end")

            watching = asyncio.create_task(watch())
            await begun.wait()
        assert (await watching)[2] == {"reason": "stopping"}
