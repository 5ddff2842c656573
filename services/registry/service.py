"""The composition of the registry service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from zoneinfo import ZoneInfo

from services.registry.clock import Clock
from services.registry.handlers import handlers
from services.registry.mailer import Mailer, count_mails
from services.registry.settings import RegistrySettings
from services.registry.ticks import archive, ask_for_exports, begin, remind
from services.registry.tools import Tools
from services.registry.worker import Worker
from shared.service import Context, Service, Tick
from shared.service.composition import Resources

EVERY = RegistrySettings().clock_seconds


@asynccontextmanager
async def _open(context: Context) -> AsyncIterator[Resources]:
    yield {RegistrySettings: RegistrySettings(), Clock: _clock(context)}


async def _serve(context: Context, ready: Callable[[], None]) -> None:
    """Send mails, and work on whole projects, for as long as the service runs."""
    clock, settings = _clock(context), RegistrySettings()
    tools = Tools(context.database, context.store, context.vault, clock, settings, context.relay)
    mailer = Mailer(context.database, context.vault, settings, clock)
    ready()
    await asyncio.gather(mailer.run(), Worker(tools).run())


def _clock(context: Context) -> Clock:
    return Clock(zone=ZoneInfo(context.settings.timezone))


service = Service(
    "registry",
    handlers=handlers,
    ticks=(
        Tick(30, count_mails),
        Tick(EVERY, remind),
        Tick(EVERY, begin),
        Tick(EVERY, archive),
        Tick(EVERY, ask_for_exports),
    ),
    open=_open,
    serve=_serve,
)
