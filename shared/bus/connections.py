"""The connections to the broker: opened when somebody needs one, with all queues declared, and again when lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError, DeliveryError, PublishError

from shared.bus.broker import Names, declare, settle
from shared.bus.protocol import BusUnavailable, RetryTiers
from shared.log import logger

log = logger("bus")

TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError, asyncio.InvalidStateError)
"""What the client raises when the connection is gone; RuntimeError is its word for using a closed one."""

PUBLISHING, CONSUMING = "publishing", "consuming"
"""A connection for each: while an alarm (disk, memory) blocks whoever publishes, acks must still get through."""


class Connection(aio_pika.Connection):
    """One that could not be opened is closed at once.

    The client's finalizer begins to close it whenever garbage is collected, on whichever thread and loop that is.
    """

    async def connect(self, timeout: float | None = None) -> None:
        """Open, or leave nothing behind."""
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class Connections:
    """One for each purpose, which all of a process share."""

    def __init__(self, url: str, names: Names, tiers: RetryTiers, settling: float) -> None:
        self.url = url
        self.names = names
        self.tiers = tiers
        self.open: dict[str, AbstractConnection] = {}
        self._publisher: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._settling = settling
        self._settled: AbstractConnection | None = None
        self._waiting = asyncio.Lock()
        self._away = False

    async def get(self, purpose: str) -> AbstractConnection:
        """The connection for this, on which everything has been declared."""
        async with self._opening:
            connection = self.open.get(purpose)
            if connection is None or connection.is_closed:
                if purpose == PUBLISHING:
                    self._publisher = None
                connection = await aio_pika.connect(self.url, timeout=10, heartbeat=20, connection_class=Connection)
                try:
                    await declare(connection, self.names, self.tiers)
                except BaseException:
                    await connection.close()
                    raise
                self.open[purpose] = connection
                if self._away:
                    self._away = False
                    log.info("bus available again")
            return connection

    async def publisher(self) -> AbstractChannel:
        """The channel for publishing: confirmed, and an unroutable mandatory message is an error."""
        connection = await self.get(PUBLISHING)
        async with self._waiting:
            if connection is not self._settled:
                await settle(connection, self.names, self.tiers, self._settling)
                self._settled = connection
        async with self._opening:
            if self._publisher is None or self._publisher.is_closed:
                self._publisher = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._publisher

    async def forget(self, error: BaseException, purpose: str, failed: AbstractConnection | None) -> None:
        """Open a new connection next time, unless the broker only refused this one message.

        Only the one that failed: others of this process may long have another. A message that no queue takes
        means that somebody has deleted one: with the new connection all of them are declared again.
        """
        refused = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if refused or failed is None or failed is not self.open.get(purpose):
            return
        del self.open[purpose]
        with suppress(Exception), closed_is_an_error():
            async with asyncio.timeout(5):
                await failed.close()

    @asynccontextmanager
    async def available(self, purpose: str) -> AsyncIterator[None]:
        """Whatever goes wrong with the broker inside is BusUnavailable, and a broken connection is forgotten."""
        before = self.open.get(purpose)
        try:
            with closed_is_an_error():
                yield
        except Exception as error:
            # The client rejects what waits on a connection that is closed with a bare Exception.
            if not (isinstance(error, TROUBLE) or type(error) is Exception):
                raise
            await self.forget(error, purpose, before or self.open.get(purpose))
            raise BusUnavailable(type(error).__name__) from error

    def say_once(self, queue: str, error: Exception) -> None:
        """All queues lose it together, and again each second: the log of a bad day is for what else happens."""
        if not self._away:
            self._away = True
            log.warning("bus unavailable", queue=queue, error=type(error).__name__)

    async def close(self) -> None:
        """All of them."""
        for connection in self.open.values():
            if not connection.is_closed:
                with suppress(Exception):
                    await connection.close()


@contextmanager
def closed_is_an_error() -> Iterator[None]:
    """The client also cancels what waits on a connection that is closed; that is no cancellation of ours."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("closed while waiting") from None
