"""The commands of a project's life against a served api and registry: what they print, and how they end."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.failure import Code
from services.api.service import service as api_service
from services.registry.service import service as registry_service
from shared.log import configure
from tests.integration.test_cli_review import Fiona
from tests.people import TOKEN
from tests.unit.api.serving import served

NAME = "ABCD-study"
WISH = f"""
project: {NAME}
organisation: Example Hospital
pi_name: Kari Olsen
pi_mail: kari.olsen@example.org
approval: 2026/1234
starts_on: 2026-01-01
ends_on: 2040-12-31
participant_pattern: ABCD-[0-9]{{4}}
features: {{drop_presentation_states: true}}
"""


@pytest.fixture
async def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """Api and registry, with a destination."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    monkeypatch.setenv("FIONA_TOKEN", TOKEN)
    monkeypatch.setenv("FIONA_REGISTRY_WORK_SECONDS", "0.05")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    configure(stream=io.StringIO())
    async with served(url, tmp_path / "store", monkeypatch, api_service, registry_service) as client:
        monkeypatch.setenv("FIONA_API", str(client.base_url))
        await client.post("/api/v1/destinations", json={"name": "here", "kind": "folder"})
        yield client


async def test_from_the_application_to_the_archive(
    gateway: httpx.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fiona = Fiona(capsys)
    file = tmp_path / "wish.yaml"
    file.write_text(WISH, "utf-8")
    assert await fiona("application", "contract") == 0
    assert fiona.out.startswith("# Agreement")
    assert await fiona("project", "apply", file) == Code.USAGE, "one has to agree"
    applied = await fiona.json("project", "apply", file, "--agree")
    assert await fiona("project", "apply", file, "--agree") == Code.CONFLICT
    assert await fiona("application", "list", "--state", "applied") == 0
    assert NAME in fiona.out
    assert (await fiona.json("project", "approve", applied["id"], "--destination", "here"))["state"] == "approved"
    assert await fiona("project", "reject", applied["id"], "--reason", "late") == Code.CONFLICT
    assert (await fiona.json("application", "show", applied["id"]))["wish"]["features"]["drop_presentation_states"]
    assert (await fiona.json("project", "produce", NAME))["state"] == "production"
    assert (await fiona.json("project", "extend", NAME, "2050-01-01"))["ends_on"] == "2050-01-01"

    assert (await fiona.json("project", "export", NAME))["state"] == "asked"
    async with asyncio.timeout(120):
        while (export := (await fiona.json("project", "exports", NAME))[0])["state"] != "ready":
            pass
    copy = tmp_path / "copy.zip"
    assert await fiona("project", "download", NAME, export["id"], "--to", copy) == 0
    assert export["sha256"] in fiona.out
    assert "participants.csv" in zipfile.ZipFile(copy).namelist()
    other = tmp_path / "other.zip"
    other.write_bytes(b"another file")
    assert await fiona("project", "confirm", NAME, export["id"], other) == Code.CONFLICT
    assert await fiona("project", "confirm", NAME, export["id"], copy, "--missing", 1) == Code.CONFLICT, "none is"
    assert (await fiona.json("project", "confirm", NAME, export["id"], copy))["state"] == "confirmed"

    assert (await fiona.json("project", "archive", NAME, "--reason", "all is there"))["state"] == "archived"
    assert await fiona("project", "steps", NAME) == 0
    for step in ("applied", "development", "production", "extended", "exported", "confirmed", "archived"):
        assert step in fiona.out
    assert await fiona("project", "leftovers", NAME) == 0
    assert "nothing is left over" in fiona.err


async def test_access_and_mails(gateway: httpx.AsyncClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fiona = Fiona(capsys)
    assert await fiona("project", "add", NAME, "--destination", "here") == 0
    asked = await fiona.json("project", "join", NAME, "--role", "controller")
    assert await fiona("project", "requests", NAME) == 0
    assert asked["id"] in fiona.out
    assert (await fiona.json("project", "grant", NAME, asked["id"]))["state"] == "granted"
    members = (await gateway.get(f"/api/v1/projects/{NAME}/members")).json()["items"]
    assert {"owner", "controller"} <= {role for each in members for role in each["roles"]}
    assert await fiona("project", "decline", NAME, asked["id"]) == Code.CONFLICT
    assert await fiona("mail", "list") == 0
    assert "no mails" in fiona.err
    assert await fiona("mail", "retry", "nothing") == await fiona("mail", "drop", "nothing") == Code.NOT_FOUND
