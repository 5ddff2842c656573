"""What stands on the broker: an exchange, the home queues, the tiers in which failed messages rest, the dead.

A broker answers a declaration some two seconds before it is on its disk. One that is killed in between comes back
without the queue, and without what it had confirmed into it. So whoever finds a broker without the mark of this very
topology waits before it publishes, and then leaves the mark: what was declared before it is on disk when it is.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from aio_pika.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity

from shared import topology
from shared.bus.protocol import RetryTiers

AT_LEAST_ONCE = {
    "x-queue-type": "quorum",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}
DELIVERY_LIMIT = 100
"""Crashes of its consumers that a message may outlive before it is called poison."""

SETTLING = 3.0
"""Seconds after which a broker has on its disk what it was told to declare."""

BROWSED_FOREVER = 1_000_000
"""Delivery limit of the dead queue, which is looked through by taking messages and giving them back."""


@dataclass(frozen=True)
class Names:
    """How queues and exchanges are called; the prefix is the exchange of the events."""

    prefix: str

    def queue(self, queue: str) -> str:
        """A home queue."""
        return f"{self.prefix}.{queue}"

    def tier(self, seconds: float) -> str:
        """A retry tier: exchange and queue."""
        return f"{self.prefix}.retry.{seconds:g}s"

    @property
    def dead(self) -> str:
        """The dead: exchange and queue."""
        return f"{self.prefix}.dead"

    def mark(self, tiers: RetryTiers) -> str:
        """The exchange that says that this topology, queue for queue, is on the broker's disk."""
        queues = (self.dead, *map(self.tier, tiers.seconds), *map(self.queue, topology.all_queues()))
        return f"{self.prefix}.settled.{sha256(' '.join(queues).encode()).hexdigest()[:12]}"


async def declare(connection: AbstractConnection, names: Names, tiers: RetryTiers) -> None:
    """The whole gateway's topology, so that nothing is published before its listener's queue exists."""
    async with connection.channel() as channel:
        events = await channel.declare_exchange(names.prefix, "topic", durable=True)
        dead = await channel.declare_exchange(names.dead, "topic", durable=True)
        dead_queue = await channel.declare_queue(
            names.dead,
            durable=True,
            arguments={"x-queue-type": "quorum", "x-delivery-limit": BROWSED_FOREVER},
        )
        await dead_queue.bind(dead, "#")
        for seconds in tiers.seconds:
            tier = await channel.declare_exchange(names.tier(seconds), "topic", durable=True)
            resting = await channel.declare_queue(
                names.tier(seconds),
                durable=True,
                arguments={
                    **AT_LEAST_ONCE,
                    "x-message-ttl": int(seconds * 1000),
                    "x-dead-letter-exchange": "",
                },
            )
            await resting.bind(tier, "#")
        for queue, event in topology.all_queues().items():
            home = await channel.declare_queue(
                names.queue(queue),
                durable=True,
                arguments={
                    **AT_LEAST_ONCE,
                    "x-delivery-limit": DELIVERY_LIMIT,
                    "x-dead-letter-exchange": names.dead,
                    "x-dead-letter-routing-key": names.queue(queue),
                },
            )
            await home.bind(events, event)


async def settle(connection: AbstractConnection, names: Names, tiers: RetryTiers, seconds: float) -> None:
    """Return when what was declared is on the broker's disk: at once where the mark says so."""
    mark = names.mark(tiers)
    with suppress(ChannelNotFoundEntity):
        async with connection.channel() as channel:
            await channel.declare_exchange(mark, passive=True)
            return
    await asyncio.sleep(seconds)
    async with connection.channel() as channel:
        await channel.declare_exchange(mark, "topic", durable=True)
