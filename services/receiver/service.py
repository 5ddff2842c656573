"""The receiver put together: journal, publisher, DICOM server."""

import asyncio
from collections.abc import Callable

from services.receiver.server import Receiver
from services.receiver.settings import ReceiverSettings
from shared.journal import Journal, Publisher
from shared.log import logger
from shared.service import Context, Service
from shared.store import Store

log = logger("receiver")

LAST_WORDS = 5.0
"""Seconds for publishing what is owed before the process ends; the rest is on disk."""


async def serve(context: Context, ready: Callable[[], None]) -> None:
    """Receive until cancelled, then drain."""
    settings = ReceiverSettings()
    journal = await _open_journal(context.store)
    receiver = Receiver(settings, journal)
    publisher = Publisher(journal, context.bus)
    publishing = asyncio.create_task(publisher.run(), name="publisher")
    try:
        receiver.start()
        log.info("listening", host=settings.host, port=receiver.port)
        ready()
        await publishing
    finally:
        await asyncio.to_thread(receiver.stop)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await publisher.drain(LAST_WORDS)
        journal.close()


async def _open_journal(store: Store) -> Journal:
    """Wait for a disk that can be written to."""
    while True:
        try:
            return await asyncio.to_thread(Journal, store, "receiver")
        except OSError as error:
            log.error("cannot open the journal", error=type(error).__name__)
            await asyncio.sleep(5)


service = Service(name="receiver", serve=serve, uses_database=False)
