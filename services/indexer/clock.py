"""The time, as something that a test can set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from shared.tables.base import now


def stopwatch() -> Callable[[], timedelta]:
    """For how long it has been running, whatever happens to the clock meanwhile."""
    begun = monotonic()
    return lambda: timedelta(seconds=monotonic() - begun)


@dataclass(frozen=True)
class Clock:
    """Tells the time, and for how long this process has been listening."""

    now: Callable[[], datetime] = now
    listening: Callable[[], timedelta] = field(default_factory=stopwatch)

    @property
    def listening_since(self) -> datetime:
        """By the clock as it is now: when the process began, that may have been another one."""
        return self.now() - self.listening()
