"""Who takes a queue's messages: again from the start whenever the connection, the channel or the queue is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from shared.bus.connections import CONSUMING, TROUBLE, Connections, closed_is_an_error
from shared.bus.message import Message
from shared.bus.protocol import Again, Deliver, Delivery, Fate
from shared.log import logger

log = logger("bus")

Settle = Callable[[Delivery, Fate], Awaitable[None]]
"""Moves a message that was not handled to where it rests; its original is acknowledged afterwards."""


class _ChannelLost(ConnectionError):
    """A consumer's channel has ended; the connection, which others use, may be whole."""


class Consumer:
    """Of one queue: hands at most `prefetch` messages at once to `deliver`, and what became of each to `settle`."""

    def __init__(
        self, connections: Connections, queue: str, deliver: Deliver, prefetch: int, settle: Settle, reconnect: float
    ) -> None:
        self._connections = connections
        self._queue = queue
        self._deliver = deliver
        self._prefetch = prefetch
        self._settle = settle
        self._reconnect = reconnect

    async def work(self, stopping: asyncio.Event) -> None:
        """Until told to stop; what is in hand then is finished."""
        while not stopping.is_set():
            try:
                await self._once(stopping)
            except Exception as error:
                if isinstance(error, TROUBLE):
                    self._connections.say_once(self._queue, error)
                else:
                    log.exception("consumer failed and starts again", queue=self._queue)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), self._reconnect)

    async def _once(self, stopping: asyncio.Event) -> None:
        connection = await self._connections.get(CONSUMING)
        try:
            with closed_is_an_error():
                await self._on(connection, stopping)
        except Exception as error:
            if not isinstance(error, _ChannelLost):
                await self._connections.forget(error, CONSUMING, connection)
            raise

    async def _on(self, connection: AbstractConnection, stopping: asyncio.Event) -> None:
        going: set[asyncio.Task[None]] = set()
        lost = asyncio.Event()
        channel = await connection.channel()
        channel.close_callbacks.add(lambda *_: lost.set())
        try:
            await channel.set_qos(prefetch_count=self._prefetch)
            home = await channel.get_queue(self._connections.names.queue(self._queue), ensure=False)
            # The broker ends a consumer, and nothing else, when its queue is deleted.
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda *_: lost.set())

            async def take(incoming: AbstractIncomingMessage) -> None:
                task = asyncio.create_task(self._handle(incoming))
                going.add(task)
                task.add_done_callback(going.discard)

            tag = await home.consume(take)
            waits = [asyncio.create_task(event.wait()) for event in (stopping, lost)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if not lost.is_set():
                await home.cancel(tag)
            if going:
                await asyncio.wait(going)
        finally:
            if not channel.is_closed:
                with suppress(Exception):
                    await channel.close()
        if lost.is_set() and not stopping.is_set():
            raise _ChannelLost

    async def _handle(self, incoming: AbstractIncomingMessage) -> None:
        """Deliver one message and settle it; when settling fails the broker will deliver it again."""
        try:
            message = Message.from_bytes(incoming.body)
            tries = int(str(incoming.headers.get("x-fiona-tries", 0)))
        except Exception:
            log.exception("not a message of ours", queue=self._queue)
            with suppress(Exception):
                await incoming.reject(requeue=False)
            return
        delivery = Delivery(self._queue, message, tries)
        try:
            fate = await self._deliver(delivery)
        except Exception:
            log.exception("delivery failed", queue=self._queue, message=message.id)
            fate = Again("the delivery itself failed")
        try:
            with closed_is_an_error():
                await self._settle(delivery, fate)
                await incoming.ack()
        except Exception as error:
            log.warning("not settled, will come again", queue=self._queue, error=type(error).__name__)
            # It comes at once, and the broker counts how often.
            await asyncio.sleep(self._reconnect)
            with suppress(Exception):
                await incoming.nack(requeue=True)
