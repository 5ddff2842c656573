"""The bus on RabbitMQ: one topic exchange, a quorum queue per subscription, retry tiers, one dead queue.

A failed message rests in the tier's queue (fixed TTL, shared by all services) under its home queue's name as
routing key; when the TTL has passed, the broker dead-letters it through the default exchange, which is the
home queue. Dead-lettering is at-least-once everywhere, so that no hop can drop a message silently.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aiormq.exceptions import AMQPError, DeliveryError, PublishError

from shared import topology
from shared.bus import metrics
from shared.bus.broker import SETTLING, Names, declare, settle
from shared.bus.message import Message
from shared.bus.protocol import (
    Again,
    Bury,
    BusUnavailable,
    DeadLetter,
    Deliver,
    Delivery,
    Done,
    Fate,
    RetryTiers,
)
from shared.log import logger

log = logger("bus")

TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError, asyncio.InvalidStateError)
"""What the client raises when the connection is gone; RuntimeError is its word for using a closed one."""


PUBLISHING, CONSUMING = "publishing", "consuming"
"""A connection for each: while an alarm (disk, memory) blocks whoever publishes, acks must still get through."""


class RabbitBus:
    """Connections that are opened when needed and opened again when lost."""

    def __init__(
        self,
        url: str,
        tiers: RetryTiers | None = None,
        prefix: str = "fiona",
        reconnect: float = 1.0,
        settling: float = SETTLING,
    ) -> None:
        self._url = url
        self._tiers = tiers or RetryTiers()
        self._names = Names(prefix)
        self._reconnect = reconnect
        self._connections: dict[str, AbstractConnection] = {}
        self._publisher: AbstractChannel | None = None
        self._opening = asyncio.Lock()
        self._settling = settling
        self._settled: AbstractConnection | None = None
        self._waiting = asyncio.Lock()

    # connection and topology ------------------------------------------------------------------------

    async def _connect(self, purpose: str) -> AbstractConnection:
        async with self._opening:
            connection = self._connections.get(purpose)
            if connection is None or connection.is_closed:
                if purpose == PUBLISHING:
                    self._publisher = None
                connection = await aio_pika.connect(self._url, timeout=10, heartbeat=20)
                try:
                    await declare(connection, self._names, self._tiers)
                except BaseException:
                    await connection.close()
                    raise
                self._connections[purpose] = connection
            return connection

    async def _forget(self, error: BaseException, purpose: str, failed: AbstractConnection | None) -> None:
        """Open a new connection next time, unless the broker only refused this one message.

        Only the one that failed: others of this process may long have another. A message that no queue takes
        means that somebody has deleted one: with the new connection all of them are declared again.
        """
        refused = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if refused or failed is None or failed is not self._connections.get(purpose):
            return
        del self._connections[purpose]
        with suppress(Exception), _closed_is_an_error():
            async with asyncio.timeout(5):
                await failed.close()

    async def _channel(self) -> AbstractChannel:
        """The channel for publishing: confirmed, and an unroutable mandatory message is an error."""
        connection = await self._connect(PUBLISHING)
        async with self._waiting:
            if connection is not self._settled:
                await settle(connection, self._names, self._tiers, self._settling)
                self._settled = connection
        async with self._opening:
            if self._publisher is None or self._publisher.is_closed:
                self._publisher = await connection.channel(publisher_confirms=True, on_return_raises=True)
            return self._publisher

    @asynccontextmanager
    async def _available(self, purpose: str) -> AsyncIterator[None]:
        """Whatever goes wrong with the broker inside is BusUnavailable, and a broken connection is forgotten."""
        before = self._connections.get(purpose)
        try:
            with _closed_is_an_error():
                yield
        except Exception as error:
            # The client rejects what waits on a connection that is closed with a bare Exception.
            if not (isinstance(error, TROUBLE) or type(error) is Exception):
                raise
            await self._forget(error, purpose, before or self._connections.get(purpose))
            raise BusUnavailable(type(error).__name__) from error

    # publishing -------------------------------------------------------------------------------------

    async def publish(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        try:
            with metrics.PUBLISHING.time():
                await self._publish(messages)
        except BusUnavailable:
            metrics.UNAVAILABLE.inc()
            raise
        metrics.PUBLISHED.inc(len(messages))

    async def _publish(self, messages: Sequence[Message]) -> None:
        async with self._available(PUBLISHING):
            exchange = await (await self._channel()).get_exchange(self._names.prefix, ensure=False)
            async with asyncio.timeout(30):
                await _all(
                    exchange.publish(
                        _amqp(message),
                        routing_key=message.name,
                        mandatory=bool(topology.queues(message.name)),
                    )
                    for message in messages
                )

    async def _put(self, exchange: str, home: str, message: Message, headers: dict[str, Any]) -> None:
        async with self._available(PUBLISHING):
            channel = await self._channel()
            target: AbstractExchange = (
                await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            )
            async with asyncio.timeout(30):
                await target.publish(_amqp(message, headers), routing_key=home, mandatory=True)

    # consuming --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def consume(self, queue: str, deliver: Deliver, prefetch: int) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        work = asyncio.create_task(self._work(queue, deliver, prefetch, stopping), name=f"bus {queue}")
        try:
            yield
        finally:
            stopping.set()
            await work

    async def _work(self, queue: str, deliver: Deliver, prefetch: int, stopping: asyncio.Event) -> None:
        """Consume, and again from the start whenever the connection is lost."""
        while not stopping.is_set():
            try:
                await self._consume_once(queue, deliver, prefetch, stopping)
            except Exception as error:
                if isinstance(error, TROUBLE):
                    log.warning("bus unavailable", queue=queue, error=type(error).__name__)
                else:
                    log.exception("consumer failed and starts again", queue=queue)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), self._reconnect)

    async def _consume_once(self, queue: str, deliver: Deliver, prefetch: int, stopping: asyncio.Event) -> None:
        connection = await self._connect(CONSUMING)
        try:
            with _closed_is_an_error():
                await self._consume_on(connection, queue, deliver, prefetch, stopping)
        except Exception as error:
            if not isinstance(error, _ChannelLost):
                await self._forget(error, CONSUMING, connection)
            raise

    async def _consume_on(
        self, connection: AbstractConnection, queue: str, deliver: Deliver, prefetch: int, stopping: asyncio.Event
    ) -> None:
        going: set[asyncio.Task[None]] = set()
        lost = asyncio.Event()
        channel = await connection.channel()
        channel.close_callbacks.add(lambda *_: lost.set())
        try:
            await channel.set_qos(prefetch_count=prefetch)
            home = await channel.get_queue(self._names.queue(queue), ensure=False)
            # The broker ends a consumer, and nothing else, when its queue is deleted.
            underlay = await channel.get_underlay_channel()
            underlay.on_consumer_cancel_callbacks.add(lambda *_: lost.set())

            async def take(incoming: AbstractIncomingMessage) -> None:
                task = asyncio.create_task(self._handle(queue, incoming, deliver))
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

    async def _handle(self, queue: str, incoming: AbstractIncomingMessage, deliver: Deliver) -> None:
        """Deliver one message and settle it; when settling fails the broker will deliver it again."""
        try:
            message = Message.from_bytes(incoming.body)
            tries = int(str(incoming.headers.get("x-fiona-tries", 0)))
        except Exception:
            log.exception("not a message of ours", queue=queue)
            with suppress(Exception):
                await incoming.reject(requeue=False)
            return
        try:
            fate = await deliver(Delivery(queue, message, tries))
        except Exception:
            log.exception("delivery failed", queue=queue, message=message.id)
            fate = Again("the delivery itself failed")
        try:
            with _closed_is_an_error():
                await self._settle(queue, message, tries, fate)
                await incoming.ack()
        except Exception as error:
            log.warning("not settled, will come again", queue=queue, error=type(error).__name__)
            # It comes at once, and the broker counts how often.
            await asyncio.sleep(self._reconnect)
            with suppress(Exception):
                await incoming.nack(requeue=True)

    async def _settle(self, queue: str, message: Message, tries: int, fate: Fate) -> None:
        """Move a message that was not handled to where it rests; its original is acknowledged afterwards."""
        home = self._names.queue(queue)
        match fate:
            case Done():
                return
            case Bury(why):
                await self._put(self._names.dead, home, message, _headers(queue, tries, why))
                metrics.settled(queue, fate, None)
            case Again(why, delay):
                rest = self._tiers.rest(fate, tries)
                counted = tries if delay is not None else tries + 1
                exchange = self._names.tier(rest) if rest is not None else self._names.dead
                await self._put(exchange, home, message, _headers(queue, counted, why))
                metrics.settled(queue, fate, rest)

    # the dead ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _browse(self) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """Take all dead letters into hand; those that are not acknowledged go back when the block ends."""
        async with self._available(CONSUMING):
            connection = await self._connect(CONSUMING)
            async with connection.channel() as channel:
                queue = await channel.get_queue(self._names.dead, ensure=False)
                taken: list[AbstractIncomingMessage] = []
                while (incoming := await queue.get(fail=False, timeout=10)) is not None:
                    taken.append(incoming)
                yield taken

    async def dead(self) -> list[DeadLetter]:
        async with self._browse() as taken:
            return [self._letter(incoming) for incoming in taken]

    def _letter(self, incoming: AbstractIncomingMessage) -> DeadLetter:
        headers = incoming.headers
        home = (incoming.routing_key or "").removeprefix(f"{self._names.prefix}.")
        reason = str(headers.get("x-fiona-reason", "its consumers died too often"))
        try:
            message = Message.from_bytes(incoming.body)
        except (ValueError, TypeError):
            # Somebody else's: it must not hide the others, and it can be dropped.
            identity = str(incoming.message_id or incoming.delivery_tag)
            message, reason = Message(identity, "", "{}", ""), "not a message of ours"
        return DeadLetter(home, message, int(str(headers.get("x-fiona-tries", 0))), reason)

    async def replay(self, identity: str) -> bool:
        async with self._browse() as taken:
            for incoming in taken:
                letter = self._letter(incoming)
                if letter.id == identity:
                    await self._put("", self._names.queue(letter.queue), letter.message, {})
                    await incoming.ack()
                    return True
        return False

    async def drop(self, identity: str) -> bool:
        async with self._browse() as taken:
            for incoming in taken:
                if self._letter(incoming).id == identity:
                    await incoming.ack()
                    return True
        return False

    # looking ----------------------------------------------------------------------------------------

    async def depths(self) -> dict[str, int]:
        async with self._available(CONSUMING):
            connection = await self._connect(CONSUMING)
            async with connection.channel() as channel:
                counts = {}
                for queue in topology.all_queues():
                    answer = await channel.declare_queue(self._names.queue(queue), passive=True)
                    counts[queue] = answer.declaration_result.message_count or 0
                return counts

    async def dead_count(self) -> int:
        async with self._available(CONSUMING):
            connection = await self._connect(CONSUMING)
            async with connection.channel() as channel:
                answer = await channel.declare_queue(self._names.dead, passive=True)
                return answer.declaration_result.message_count or 0

    async def oldest(self) -> dict[str, datetime]:
        """Nothing: a quorum queue does not say, and to look is to take, which it counts as a failure."""
        return {}

    async def round_trip(self) -> None:
        async with self._available(CONSUMING), asyncio.timeout(10):
            connection = await self._connect(CONSUMING)
            async with connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
                queue = await channel.declare_queue(exclusive=True, auto_delete=True)
                body = uuid.uuid4().bytes
                await channel.default_exchange.publish(aio_pika.Message(body), queue.name, mandatory=True)
                incoming = await queue.get(fail=False, timeout=10)
                if incoming is None or incoming.body != body:
                    raise ConnectionError("what was sent does not come back")
                await incoming.ack()

    async def ping(self) -> None:
        async with self._available(PUBLISHING), asyncio.timeout(10):
            await self._channel()

    async def close(self) -> None:
        for connection in self._connections.values():
            if not connection.is_closed:
                with suppress(Exception):
                    await connection.close()


class _ChannelLost(ConnectionError):
    """A consumer's channel has ended; the connection, which others use, may be whole."""


@contextmanager
def _closed_is_an_error() -> Iterator[None]:
    """The client also cancels what waits on a connection that is closed; that is no cancellation of ours."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("closed while waiting") from None


def _amqp(message: Message, headers: dict[str, Any] | None = None) -> aio_pika.Message:
    return aio_pika.Message(
        message.to_bytes(),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.id,
        correlation_id=message.correlation,
        type=message.name,
        headers=({"traceparent": message.traceparent} if message.traceparent else {}) | (headers or {}),
    )


def _headers(queue: str, tries: int, why: str) -> dict[str, Any]:
    return {"x-fiona-queue": queue, "x-fiona-tries": tries, "x-fiona-reason": why[:500]}


async def _all(publications: Any) -> None:
    """Wait for all confirms; the first failure is raised after the rest have ended."""
    for result in await asyncio.gather(*publications, return_exceptions=True):
        if isinstance(result, asyncio.CancelledError):
            raise ConnectionError("closed while waiting")
        if isinstance(result, BaseException):
            raise result
