"""The time, as something that a test can set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.tables.base import now


@dataclass(frozen=True)
class Clock:
    """Tells the time, and since when this process has been listening."""

    now: Callable[[], datetime] = now
    listening_since: datetime = field(default_factory=now)
