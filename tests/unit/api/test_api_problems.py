"""Every error is a problem, and no problem repeats what was asked."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from services.api.problems import KINDS
from shared import log
from shared.bus import BusUnavailable
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database
from tests.unit.api.support import Api, patient_rows, running, study_rows

SECRET = "Doe^Jane"


@pytest.fixture
async def api(sqlite: Database, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(sqlite, tmp_path / "store", body_bytes=2000) as api:
        yield api


@pytest.fixture(autouse=True)
def logged() -> Iterator[io.StringIO]:
    """What the api logs."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def problem(answer: httpx.Response, kind: str) -> dict[str, Any]:
    """The body of an answer that must be this problem."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:fiona:problem:{kind}"
    assert body["status"] == answer.status_code == KINDS[kind][0]
    assert body["title"] == KINDS[kind][1]
    assert body["instance"].startswith("urn:uuid:")
    assert answer.headers["cache-control"] == "no-store"
    return body


async def test_unknown_routes_and_methods(api: Api) -> None:
    answer = await api.get(f"/patients/{SECRET}")
    problem(answer, "unknown-route")
    assert SECRET not in answer.text
    answer = await api.client.put("/api/v1/studies")
    problem(answer, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/studies/search", {"patient_id": SECRET, "days": SECRET}),
        ("/studies/search", {"patient_id": [SECRET]}),
        ("/studies/search", {SECRET: SECRET}),
        ("/studies/search", SECRET),
        ("/projects", {"name": SECRET}),
        ("/projects", {"name": "ABCD-study", "participant_pattern": f"({SECRET}"}),
        ("/projects", {"name": "ABCD-study", "events": [SECRET, SECRET]}),
        ("/destinations", {"name": "pacs", "kind": "dicom", "config": {"host": "x", "port": SECRET}}),
        ("/destinations", {"name": "pacs", "kind": "folder", "config": {SECRET: 1}}),
        ("/destinations", {"name": "pacs", "kind": SECRET}),
        ("/rules", {"project": "ABCD-study", "patient_name": f"{SECRET}("}),
        ("/projects/ABCD-study/coupling", {"entries": [{"accession_number": SECRET}]}),
    ],
)
async def test_what_is_not_valid_is_named_but_not_repeated(api: Api, path: str, body: Any) -> None:
    answer = await api.post(path, body)
    errors = problem(answer, "invalid-request")["errors"]
    assert errors
    assert all(each["loc"][0] == "body" and each["msg"] and each["type"] for each in errors)
    assert SECRET not in answer.text


async def test_what_is_not_json(api: Api) -> None:
    answer = await api.client.post(
        "/api/v1/projects", content=f"{{{SECRET}", headers={"content-type": "application/json"}
    )
    problem(answer, "malformed-request")
    assert SECRET not in answer.text


async def test_a_body_has_its_limit_announced_or_not(api: Api) -> None:
    large = {"patient_id": "x" * 5000}
    problem(await api.post("/studies/search", large), "too-large")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b'{"patient_id": "' + b"x" * 900

    answer = await api.client.post(
        "/api/v1/studies/search", content=pieces(), headers={"content-type": "application/json"}
    )
    problem(answer, "too-large")


async def test_only_loopback_names_are_answered(api: Api) -> None:
    for host in ("gateway.example.org", "127.0.0.1.example.org:8080", "10.0.0.1", ""):
        problem(await api.client.get("/api/v1/studies", headers={"host": host}), "foreign-host")
    for host in ("localhost:8080", "[::1]:8080", "127.0.0.1", "LOCALHOST"):
        assert (await api.client.get("/api/v1/studies", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    ("setting", "said"),
    [("names", "api.internal"), ("names", "*"), ("public_url", "https://API.internal:8443")],
)
async def test_the_names_it_is_given_are_answered(sqlite: Database, tmp_path: Path, setting: str, said: str) -> None:
    async with running(sqlite, tmp_path / "store", bus=None, **{setting: said}) as api:
        answer = await api.client.get("/api/v1/studies", headers={"host": "api.internal:8080"})
    assert answer.status_code == 200


async def test_other_sites_are_kept_out(api: Api) -> None:
    answer = await api.client.post("/api/v1/dead/x/replay", headers={"sec-fetch-site": "cross-site"})
    problem(answer, "cross-site")
    answer = await api.client.post(
        "/api/v1/projects", content=b'{"name": "ABCD-study"}', headers={"content-type": "text/plain"}
    )
    assert answer.status_code in (415, 422), "a form's post must not pass for JSON"


async def test_the_bus_is_away(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = EmbeddedBus(sqlite)

    async def away() -> None:
        raise BusUnavailable(SECRET)

    monkeypatch.setattr(bus, "dead", away)
    async with running(sqlite, tmp_path / "store", bus=bus) as api:
        answer = await api.get("/dead")
    problem(answer, "bus-unavailable")
    assert answer.headers["retry-after"] == "5"
    assert SECRET not in answer.text


async def test_another_master_key_is_said(api: Api) -> None:
    await api.add(*study_rows(Vault(b"another master key for tests"), "1.2.3"))
    problem(await api.get("/studies"), "wrong-key")


async def test_what_nobody_foresaw(api: Api, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO) -> None:
    async def fail() -> None:
        raise ZeroDivisionError(SECRET)

    monkeypatch.setattr(api.context.bus, "dead", fail)
    answer = await api.get("/dead")
    instance = problem(answer, "internal-error")["instance"]
    assert SECRET not in answer.text + logged.getvalue()
    assert instance in logged.getvalue()
    assert "ZeroDivisionError" in logged.getvalue()


async def test_the_health_pages(api: Api) -> None:
    assert (await api.client.get("/livez")).json() == {"status": "alive"}
    assert (await api.client.get("/readyz")).json() == {"ready": True, "parts": {"database": "ready"}}
    await api.get("/studies/1.2.3")
    metrics = (await api.client.get("/metrics")).text
    assert 'fiona_api_requests_total{method="GET",route="show_study",status="404"}' in metrics


async def test_nothing_identifying_is_logged(api: Api, logged: io.StringIO) -> None:
    await api.add(*patient_rows(api.context.vault, "P-77", SECRET))
    await api.add(*study_rows(api.context.vault, "1.2.3", accession="ACC-77", patient_id="P-77"))
    await api.get("/studies")
    await api.post("/studies/search", {"patient_id": "P-77", "accession_number": "ACC-77"})
    await api.post("/studies/search", {"patient_id": {"P-77": SECRET}})
    assert [word for word in (SECRET, "ACC-77", "P-77") if word in logged.getvalue()] == []
