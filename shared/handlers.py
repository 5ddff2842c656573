"""How a service says what it does when something happens: a table of functions that return events.

A handler that asks for a `session` runs inside the one transaction that also holds its inbox and outbox
rows, so it must be short. One that does not may take its time (pixels, networks): it runs before that
transaction, must be repeatable, and the events it returns are committed afterwards.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import Event
from shared.switchable import Switch

HandlerFunction = Callable[..., Awaitable[Sequence[Event] | None]]
F = TypeVar("F", bound=HandlerFunction)


class Retry(Exception):
    """The world is not ready: try again after `delay` seconds (None: the bus's own tiers).

    The reason is shown to people and kept in queues: it must be free of PHI.
    """

    def __init__(self, why: str, delay: float | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.delay = delay


class Reject(Exception):
    """This can never work: bury it at once, with a reason that is free of PHI."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Handler:
    """One row of the table: the event, the function, and what the function asks for by type."""

    event: type[Event]
    function: HandlerFunction
    needs: dict[str, type[Any]]
    switch: Switch | None = None

    @property
    def transactional(self) -> bool:
        """True when it runs inside the transaction."""
        return AsyncSession in self.needs.values()


class Handlers:
    """The table itself: `@handlers.on(SeriesArrived)` adds a row, one per event."""

    def __init__(self) -> None:
        self.table: dict[str, Handler] = {}

    def on(self, event: type[Event], switch: Switch | None = None) -> Callable[[F], F]:
        """Register a function whose first parameter is the event; others are resources, found by type.

        While `switch` is off its queue is left alone.
        """

        def register(function: F) -> F:
            if event.name in self.table:
                raise ValueError(f"two handlers for {event.name}")
            hints = inspect.get_annotations(function, eval_str=True)
            names = list(inspect.signature(function).parameters)[1:]
            self.table[event.name] = Handler(event, function, {name: hints[name] for name in names}, switch)
            return function

        return register

    def __iter__(self) -> Iterator[Handler]:
        return iter(self.table.values())
