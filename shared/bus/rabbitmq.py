"""The bus on RabbitMQ: one topic exchange, a quorum queue per subscription, retry tiers, one dead queue.

A failed message rests in the tier's queue (fixed TTL, shared by all services) under its home queue's name as
routing key; when the TTL has passed, the broker dead-letters it through the default exchange, which is the
home queue. Dead-lettering is at-least-once everywhere, so that no hop can drop a message silently.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

from shared import topology
from shared.bus import metrics
from shared.bus.broker import SETTLING, Names
from shared.bus.connections import CONSUMING, PUBLISHING, Connections
from shared.bus.consumer import Consumer
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


class RabbitBus:
    """The transport; `connections` are its own, `names` what its queues are called on the broker."""

    def __init__(
        self,
        url: str,
        tiers: RetryTiers | None = None,
        prefix: str = "fiona",
        reconnect: float = 1.0,
        settling: float = SETTLING,
    ) -> None:
        self._tiers = tiers or RetryTiers()
        self.names = Names(prefix)
        self._reconnect = reconnect
        self.connections = Connections(url, self.names, self._tiers, settling)

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
        async with self.connections.available(PUBLISHING):
            exchange = await (await self.connections.publisher()).get_exchange(self.names.prefix, ensure=False)
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
        async with self.connections.available(PUBLISHING):
            channel = await self.connections.publisher()
            target: AbstractExchange = (
                await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            )
            async with asyncio.timeout(30):
                await target.publish(_amqp(message, headers), routing_key=home, mandatory=True)

    @asynccontextmanager
    async def consume(self, queue: str, deliver: Deliver, prefetch: int) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        consumer = Consumer(self.connections, queue, deliver, prefetch, self._settle, self._reconnect)
        work = asyncio.create_task(consumer.work(stopping), name=f"bus {queue}")
        try:
            yield
        finally:
            stopping.set()
            await work

    async def _settle(self, delivery: Delivery, fate: Fate) -> None:
        queue, message, tries = delivery.queue, delivery.message, delivery.tries
        home = self.names.queue(queue)
        match fate:
            case Done():
                return
            case Bury(why):
                await self._put(self.names.dead, home, message, _headers(queue, tries, why))
                metrics.settled(queue, fate, None)
            case Again(why, delay):
                rest = self._tiers.rest(fate, tries)
                counted = tries if delay is not None else tries + 1
                exchange = self.names.tier(rest) if rest is not None else self.names.dead
                await self._put(exchange, home, message, _headers(queue, counted, why))
                metrics.settled(queue, fate, rest)

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[AbstractChannel]:
        """A channel for one question: a broker closes the one on which it was asked for what it has not."""
        async with self.connections.available(CONSUMING):
            connection = await self.connections.get(CONSUMING)
            async with connection.channel() as channel:
                yield channel

    @asynccontextmanager
    async def _browse(self) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """Take all dead letters into hand; those that are not acknowledged go back when the block ends."""
        async with self._looking() as channel:
            queue = await channel.get_queue(self.names.dead, ensure=False)
            taken: list[AbstractIncomingMessage] = []
            while (incoming := await queue.get(fail=False, timeout=10)) is not None:
                taken.append(incoming)
            yield taken

    async def dead(self) -> list[DeadLetter]:
        async with self._browse() as taken:
            return [self._letter(incoming) for incoming in taken]

    def _letter(self, incoming: AbstractIncomingMessage) -> DeadLetter:
        headers = incoming.headers
        home = (incoming.routing_key or "").removeprefix(f"{self.names.prefix}.")
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
                    await self._put("", self.names.queue(letter.queue), letter.message, {})
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

    async def depths(self) -> dict[str, int]:
        async with self._looking() as channel:
            return {queue: await _count(channel, self.names.queue(queue)) for queue in topology.all_queues()}

    async def dead_count(self) -> int:
        async with self._looking() as channel:
            return await _count(channel, self.names.dead)

    async def oldest(self) -> dict[str, datetime]:
        """Nothing: a quorum queue does not say, and to look is to take, which it counts as a failure."""
        return {}

    async def round_trip(self) -> None:
        async with self.connections.available(CONSUMING), asyncio.timeout(10):
            connection = await self.connections.get(CONSUMING)
            async with connection.channel(publisher_confirms=True, on_return_raises=True) as channel:
                queue = await channel.declare_queue(exclusive=True, auto_delete=True)
                body = uuid.uuid4().bytes
                await channel.default_exchange.publish(aio_pika.Message(body), queue.name, mandatory=True)
                incoming = await queue.get(fail=False, timeout=10)
                if incoming is None or incoming.body != body:
                    raise ConnectionError("what was sent does not come back")
                await incoming.ack()

    async def ping(self) -> None:
        async with self.connections.available(PUBLISHING), asyncio.timeout(10):
            await self.connections.publisher()

    async def close(self) -> None:
        await self.connections.close()


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


async def _count(channel: AbstractChannel, queue: str) -> int:
    """Messages that wait there."""
    answer = await channel.declare_queue(queue, passive=True)
    return answer.declaration_result.message_count or 0


async def _all(publications: Any) -> None:
    """Wait for all confirms; the first failure is raised after the rest have ended."""
    for result in await asyncio.gather(*publications, return_exceptions=True):
        if isinstance(result, asyncio.CancelledError):
            raise ConnectionError("closed while waiting")
        if isinstance(result, BaseException):
            raise result
