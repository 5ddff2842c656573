"""The composition of the sender."""

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
    yield {
        SenderSettings: settings,
        Destinations: Destinations(context.database, context.store, settings),
    }


service = Service("sender", handlers=handlers, open=_open, prefetch=16, uses_keys=False)
