"""The time, as something that a test can set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from shared.tables.base import now


@dataclass(frozen=True)
class Clock:
    """Tells the time, and the date where people are."""

    now: Callable[[], datetime] = now
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Oslo"))

    def today(self) -> date:
        """The date."""
        return self.now().astimezone(self.zone).date()
