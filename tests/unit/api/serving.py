"""Services in this process, asked over TCP."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.database import Database
from shared.service import run
from shared.settings import Settings
from tests.components.process import free_port
from tests.people import BEARER, invite
from tests.unit.api.support import KEY


@asynccontextmanager
async def served(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *services: Any, port: int = 0
) -> AsyncIterator[httpx.AsyncClient]:
    """Services until the end of the block, which is their SIGTERM, asked by TESTER."""
    port = port or free_port()
    monkeypatch.setenv("FIONA_API_PORT", str(port))
    settings = Settings(data=folder, secret_key=KEY, database_url=url)
    stop = asyncio.Event()
    running = asyncio.create_task(run(services, settings, stop, signals=False))
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, timeout=120, trust_env=False, headers=BEARER) as client:
        await until(lambda: ready(client), running)
        database = Database(url)
        await invite(database)
        await database.close()
        yield client
        stop.set()
        await asyncio.wait_for(running, 120)


async def ready(client: httpx.AsyncClient) -> bool:
    """Whether it says that it is."""
    with suppress(httpx.TransportError):
        return (await client.get("/readyz")).status_code == 200
    return False


async def until(
    true: Callable[[], Awaitable[bool]], running: asyncio.Task[None] | None = None, seconds: float = 120
) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not await true():
            assert running is None or not running.done(), running
            await asyncio.sleep(0.05)


async def put(url: str, rows: list[Any]) -> None:
    """Write rows as their services would."""
    database = Database(url)
    async with database.session() as session:
        for row in rows:
            session.add(row)
            await session.flush()
    await database.close()
