"""`fiona audit` and `fiona project report` against a served gateway whose audit service runs beside the api."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api.service import service as api_service
from services.audit.service import service as audit_service
from shared.database import Database
from shared.log import configure
from shared.store import Store
from tests.integration.test_api_server import make_project
from tests.integration.test_audit import _as_somebody_with_the_database, entries
from tests.integration.test_cli_review import PROJECT, Fiona
from tests.people import TESTER, TOKEN
from tests.unit.api.serving import served


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Beside the gateway's own connections."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}")
    yield database
    await database.close()


async def chained(database: Database, operation: str) -> None:
    """Wait until the audit service has chained it."""
    async with asyncio.timeout(60):
        while operation not in [entry.operation for entry in await entries(database)]:
            await asyncio.sleep(0.1)


async def test_searched_exported_verified_and_found_broken(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fiona, url = Fiona(capsys), database.url.render_as_string()
    monkeypatch.setenv("FIONA_TOKEN", TOKEN)
    configure(stream=io.StringIO())
    async with served(url, Store(tmp_path / "store").root, monkeypatch, api_service, audit_service) as client:
        monkeypatch.setenv("FIONA_API", str(client.base_url))
        await make_project(client)
        await chained(database, "make_project")
        found = await fiona.json("audit", "search", "--who", TESTER, "--operation", "make_project")
        assert [(each["outcome"], each["project"]) for each in found] == [("done", PROJECT)]
        assert await fiona("audit", "search", "--since", "2100-01-01") == 0
        assert "nothing of the kind" in fiona.err

        table = tmp_path / "audit.csv"
        assert await fiona("audit", "export", "--to", table, "--project", PROJECT) == 0
        rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
        assert [row["operation"] for row in rows] == ["make_project"]
        assert await fiona("audit", "export", "--to", table) == 2  # never over a file that is there
        assert await fiona("audit", "export", "--to", tmp_path / "x", "--outcome", "wrong") == 1
        assert not (tmp_path / "x").exists()

        page = tmp_path / "report.html"
        assert await fiona("project", "report", PROJECT, "--html", page) == 0
        assert PROJECT in page.read_text("utf-8")
        assert await fiona("project", "report", "NOT-there") == 4

        assert await fiona("audit", "verify") == 0
        assert "whole; head" in fiona.out
        head = fiona.out.split()[-1]
        assert await fiona("audit", "verify", "--head", head) == 0
        await _as_somebody_with_the_database(database, "UPDATE audit_entries SET actor = 'x' WHERE sequence = 2")
        assert await fiona("audit", "verify") == 1
        assert "entry 2 is not as it was written" in fiona.err
        assert await fiona("audit", "verify", "--after", "2", "--head", f"999999:{'0' * 64}") == 1
        assert "were cut off" in fiona.err
