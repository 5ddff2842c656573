"""The composition of the audit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.audit.handlers import handlers
from services.audit.sealing import Announced, seal
from shared.service import Context, Service, Tick
from shared.service.composition import Resources


@asynccontextmanager
async def _open(_: Context) -> AsyncIterator[Resources]:
    yield {Announced: Announced()}


service = Service(name="audit", handlers=handlers, ticks=(Tick(1.0, seal),), open=_open)
