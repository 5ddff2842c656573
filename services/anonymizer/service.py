"""The composition of the anonymizer: its handlers and the processes that do the work."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deidentification.processes import Limits
from services.anonymizer.handlers import handlers
from services.anonymizer.settings import AnonymizerSettings
from services.anonymizer.workers import Workers
from shared.service import Context, Service
from shared.service.composition import Resources

settings = AnonymizerSettings()


@asynccontextmanager
async def open_workers(_: Context) -> AsyncIterator[Resources]:
    """Keep the worker processes for as long as the service runs."""
    limits = Limits(seconds=settings.time_limit, megabytes=settings.memory)
    workers = Workers(settings.workers, settings.batch, limits)
    try:
        yield {Workers: workers}
    finally:
        workers.close()


service = Service(name="anonymizer", handlers=handlers, open=open_workers, prefetch=settings.series)
