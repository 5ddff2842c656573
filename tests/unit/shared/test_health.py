"""The health pages of a process, on a port of their own."""

import asyncio
import logging
from contextlib import suppress

import httpx
import pytest

from shared.service.health import Health, serve
from tests.components.process import free_port


async def test_they_end_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    serving = asyncio.create_task(serve(Health(), "127.0.0.1", port))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(30):
        while True:
            with suppress(httpx.TransportError):
                assert (await client.get("/livez")).status_code == 200
                break
            await asyncio.sleep(0.02)
    with caplog.at_level(logging.WARNING):
        serving.cancel()
        await asyncio.wait([serving])
        await asyncio.sleep(0)
        lifespans = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in lifespans:
            task.cancel()
        await asyncio.gather(*lifespans, return_exceptions=True)
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
