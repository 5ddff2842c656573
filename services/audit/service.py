"""The composition of the audit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.audit.collector import Teller
from services.audit.handlers import handlers
from services.audit.sealing import Announced, seal
from services.audit.settings import AuditSettings
from shared.service import Context, Service, Tick
from shared.service.composition import Resources


@asynccontextmanager
async def _open(_: Context) -> AsyncIterator[Resources]:
    yield {Announced: Announced()}


async def _serve(context: Context, ready: Callable[[], None]) -> None:
    """Tell the collector, if there is one."""
    settings = AuditSettings()
    ready()
    if settings.collector is None:
        await asyncio.Event().wait()
    await Teller(context.database, settings).run()


service = Service(name="audit", handlers=handlers, ticks=(Tick(1.0, seal),), open=_open, serve=_serve)
