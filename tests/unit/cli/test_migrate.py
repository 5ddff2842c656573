"""`fiona migrate` brings the schema to its version; services that may not wait for it."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from services.__main__ import load
from shared.database import Database, DatabaseUnavailable
from shared.migrations import head
from shared.service import run
from shared.settings import Settings


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIONA_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def test_it_says_what_there_is_to_do_and_does_it_once(data: Path) -> None:
    cli = CliRunner()
    before = cli.invoke(app, ["migrate", "--check"])
    assert (before.exit_code, head() in before.stdout) == (1, True)
    done = cli.invoke(app, ["migrate"])
    assert (done.exit_code, "was brought" in done.stdout) == (0, True)
    for arguments in (["migrate"], ["migrate", "--check"]):
        again = cli.invoke(app, arguments)
        assert (again.exit_code, "already" in again.stdout) == (0, True)


async def test_who_only_looks_waits_for_who_migrates(data: Path) -> None:
    settings = Settings(data=data, migrate=False)
    database = Database(settings.database())
    data.mkdir()
    with pytest.raises(DatabaseUnavailable, match="fiona migrate"):
        await database.migrate(only_look=True)
    stop = asyncio.Event()
    service = asyncio.create_task(run([load("router")], settings, stop, signals=False))
    await asyncio.sleep(0.5)
    assert not database.migrated
    other = Database(settings.database())
    await other.migrate()
    await database.migrate(only_look=True)
    await database.ready()
    stop.set()
    await service
    await database.close()
    await other.close()
