"""What a transport must do, and the words for what became of a delivery."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.bus.message import Message


class BusUnavailable(Exception):
    """The bus cannot take messages now; nothing of the call may be counted as published."""


@dataclass(frozen=True)
class Delivery:
    """A message in somebody's hands, and how often it has failed there before."""

    queue: str
    message: Message
    tries: int


@dataclass(frozen=True)
class Done:
    """Handled."""


@dataclass(frozen=True)
class Again:
    """Not now. With a delay the world is to blame and the try does not count; without, the tiers decide."""

    why: str
    delay: float | None = None


@dataclass(frozen=True)
class Bury:
    """Never: to the dead letters."""

    why: str


Fate = Done | Again | Bury
Deliver = Callable[[Delivery], Awaitable[Fate]]


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody could handle; `id` names it for show, replay and drop."""

    queue: str
    message: Message
    tries: int
    reason: str

    @property
    def id(self) -> str:
        return f"{self.queue}:{self.message.id}"


@dataclass(frozen=True)
class RetryTiers:
    """How long a failed message rests, try by try; after the last tier it is dead."""

    seconds: tuple[float, ...] = (10, 60, 600, 3600)

    def rest(self, fate: Again, tries: int) -> float | None:
        """The tier for a delivery that failed for the `tries`+1st time; None: dead.

        An asked delay is rounded up to a tier (down to the longest), since a broker keeps one queue a tier.
        """
        if fate.delay is not None:
            return next((tier for tier in self.seconds if tier >= fate.delay), self.seconds[-1])
        return self.seconds[tries] if tries < len(self.seconds) else None


class Bus(Protocol):
    """A durable bus with one queue per subscription."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put each message into the queue of every listener; returns when all of them are durable there.

        Raises BusUnavailable when that is not so; publishing again is harmless.
        """

    def consume(self, queue: str, deliver: Deliver, prefetch: int) -> AbstractAsyncContextManager[None]:
        """Deliver a queue's messages, at most `prefetch` at once, while the context is open.

        On leaving, what is in hand is finished; nothing new is taken. Outages are waited out inside.
        """

    async def dead(self) -> list[DeadLetter]:
        """All dead letters, oldest first."""

    async def replay(self, identity: str) -> bool:
        """Put a dead letter back into its home queue with a clean slate; False when there is none such."""

    async def drop(self, identity: str) -> bool:
        """Forget a dead letter; False when there is none such."""

    async def depths(self) -> dict[str, int]:
        """Messages waiting or in hand, by home queue."""

    async def dead_count(self) -> int:
        """How many dead letters there are."""

    async def oldest(self) -> dict[str, datetime]:
        """When the oldest message of each home queue happened; nothing where the transport has to take it to tell."""

    async def round_trip(self) -> None:
        """Hand a message over durably and take it back, beside all queues of ours; BusUnavailable."""

    async def ping(self) -> None:
        """Raise BusUnavailable unless the bus answers."""

    async def close(self) -> None:
        """Let go of connections."""
