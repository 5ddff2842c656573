"""The composition of the sender."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.sender.destinations import Destinations
from services.sender.handlers import handlers
from services.sender.settings import SenderSettings
from shared.service import Context, Service
from shared.service.composition import Resources


@asynccontextmanager
async def _open(context: Context) -> AsyncIterator[Resources]:
    settings = SenderSettings()
    destinations = Destinations(context.database, context.store, settings)
    looking = asyncio.create_task(destinations.keep_looking(), name="who is down")
    try:
        yield {SenderSettings: settings, Destinations: destinations}
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


service = Service("sender", handlers=handlers, open=_open, prefetch=16, uses_keys=False)
