"""The api as it is served: on a socket, beside the router, with real clients."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.server import bind
from services.api.service import service as api_service
from services.router.service import service as router_service
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database
from shared.service import run
from shared.settings import Settings
from tests.components.orthanc import Orthanc
from tests.unit.api.serving import put, served, until
from tests.unit.api.support import KEY, dicom, multipart, series_rows, stow_type, study_rows

STUDY = "1.2.3"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


def study() -> list[Any]:
    """What the indexer writes of a study."""
    rows = study_rows(Vault(KEY.encode()), STUDY, accession="ACC-1")
    return [*rows, *series_rows(STUDY, "1.2.3.1")]


async def make_project(client: httpx.AsyncClient) -> None:
    """A project with a folder."""
    for path, body in (
        ("destinations", {"name": "here", "kind": "folder"}),
        ("projects", {"name": "ABCD-study", "destinations": ["here"]}),
    ):
        assert (await client.post(f"/api/v1/{path}", json=body)).status_code == 201


async def test_an_assignment_becomes_a_transfer(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(url, tmp_path / "store", monkeypatch, api_service, router_service) as client:
        await make_project(client)
        await put(url, study())
        wish = {"project": "ABCD-study", "participant": "X1"}
        other = wish | {"participant": "X2"}
        path = f"/api/v1/studies/{STUDY}/assignments"
        answers = await asyncio.gather(*(client.post(path, json=each) for each in (wish, other)))
        accepted = [each.json()["id"] for each in answers if each.status_code == 202]
        assert accepted
        assert {each.status_code for each in answers} <= {202, 409}

        async def states() -> list[str]:
            shown = [await client.get(f"/api/v1/assignments/{each}") for each in accepted]
            return sorted(each.json()["state"] for each in shown)

        async def settled() -> bool:
            return "pending" not in await states()

        await until(settled)
        assert await states() == ["in_force", "refused"][: len(accepted)]
        [transfer] = (await client.get("/api/v1/transfers")).json()["items"]
        assert (transfer["state"], transfer["instances"], transfer["reason"]) == ("requested", 2, "person")


async def test_a_coupling_entry_takes_a_study_that_is_here_already(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(url, tmp_path / "store", monkeypatch, api_service, router_service) as client:
        await make_project(client)
        await put(url, study())
        entries = [{"accession_number": "ACC-1", "participant": "X1"}]
        for _ in range(2):
            made = await client.post("/api/v1/projects/ABCD-study/coupling", json={"entries": entries})
            assert made.json()["studies"] == 1

        async def taken() -> bool:
            return bool((await client.get("/api/v1/transfers")).json()["total"])

        await until(taken)

        async def quiet() -> bool:
            counted = (await client.get("/api/v1/counts")).json()
            return bool(counted["queues"]["router.study.arrived.v1"] == 0)

        await until(quiet)
        [transfer] = (await client.get("/api/v1/transfers")).json()["items"]
        assert transfer["reason"] == f"coupling {made.json()['items'][0]['id']}"
        shown = (await client.get(f"/api/v1/studies/{STUDY}")).json()
        assert len(shown["assignments"]) == 1


async def test_what_was_stored_reaches_the_queue(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
        answer = await client.post(
            "/dicomweb/studies",
            content=multipart([dicom(filler=5_000_000)]),
            headers={"content-type": stow_type()},
        )
        assert answer.status_code == 200
        assert "server" not in answer.headers

        async def queued() -> bool:
            queues = (await client.get("/api/v1/counts")).json()["queues"]
            return bool(queues["indexer.instances.received.v1"] and queues["indexer.association.closed.v1"])

        await until(queued)


async def test_a_request_in_hand_is_finished_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    content = multipart([dicom(filler=100_000)])
    begun = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:50_000]
        begun.set()
        await asyncio.sleep(1)
        yield content[50_000:]

    async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
        storing = asyncio.create_task(
            client.post("/dicomweb/studies", content=slowly(), headers={"content-type": stow_type()})
        )
        await begun.wait()
    assert (await storing).status_code == 200
    database = Database(url)
    assert (await EmbeddedBus(database).depths())["indexer.instances.received.v1"] == 1
    await database.close()


async def test_orthanc_stores_here(orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    async with served(url, tmp_path / "store", monkeypatch, api_service) as client:
        bodies = [dicom(STUDY, f"1.2.3.{number}", filler=100_000) for number in range(5)]
        for body in bodies:
            orthanc.api("POST", "/instances", content=body).raise_for_status()
        root = f"{client.base_url}/dicomweb/"
        orthanc.api("PUT", "/dicom-web/servers/fiona", {"Url": root}).raise_for_status()
        [held] = orthanc.api("GET", "/studies").json()
        done = await asyncio.to_thread(
            orthanc.api,
            "POST",
            "/dicom-web/servers/fiona/stow",
            {"Resources": [held], "Synchronous": True},
        )
        assert done.is_success, done.text
    assert len(list((tmp_path / "store/archive" / f"scp_{STUDY}").glob("*.dcm"))) == 5


async def test_a_port_that_is_taken_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bind("127.0.0.1", 0) as taken:
        assert taken.family is socket.AF_INET
        monkeypatch.setenv("FIONA_API_PORT", str(taken.getsockname()[1]))
        settings = Settings(data=tmp_path, secret_key=KEY)
        with pytest.raises(OSError, match="in use"):
            await asyncio.wait_for(run([api_service], settings, signals=False), 120)
