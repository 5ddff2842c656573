"""The composition of the api."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.api.coupling.sweep import sweep_coupling
from services.api.handlers import handlers
from services.api.server import serve
from services.api.settings import ApiSettings
from shared.service import Context, Service, Tick


@asynccontextmanager
async def open_resources(_: Context) -> AsyncIterator[dict[type, Any]]:
    """The settings, for the ticks."""
    yield {ApiSettings: ApiSettings()}


service = Service(name="api", handlers=handlers, serve=serve, ticks=(Tick(60, sweep_coupling),), open=open_resources)
