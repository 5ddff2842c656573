"""A circuit per destination: after some failures in a row nobody connects any more until a probe succeeds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

_DELAYS = ((5 * 60, 10.0), (60 * 60, 60.0), (float("inf"), 600.0))
"""Down for less than so many seconds: come back after so many seconds."""


class Permission(StrEnum):
    """What somebody who wants to use the destination may do."""

    GO = "go"
    PROBE = "probe"
    WAIT = "wait"


@dataclass
class Circuit:
    """Closed while `opened_at` is None. `threshold` failures in a row open it, one success closes it."""

    threshold: int = 3
    probe_every: float = 10
    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    opened_at: float | None = None
    probed_at: float = float("-inf")
    probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the destination is taken to be down."""
        return self.opened_at is not None

    def ask(self) -> Permission:
        """Go, wait, or (one caller, `probe_every` seconds after the last) probe first and say `probed` after it."""
        if self.opened_at is None:
            return Permission.GO
        if self.probing or self.clock() - self.probed_at < self.probe_every:
            return Permission.WAIT
        self.probing = True
        return Permission.PROBE

    def probed(self) -> None:
        """The probe has ended, however it did. A peer that swallows packets takes its time: one at once is enough."""
        self.probing, self.probed_at = False, self.clock()

    def succeeded(self) -> None:
        """It answered: closed, and all is forgotten."""
        self.failures, self.opened_at = 0, None

    def failed(self) -> None:
        """It did not answer; the failure that opens the circuit counts as its first probe."""
        self.failures += 1
        if self.opened_at is None and self.failures >= self.threshold:
            self.opened_at = self.probed_at = self.clock()

    def delay(self) -> float:
        """After how many seconds to come back: the longer it is down, the later."""
        down = self.clock() - self.opened_at if self.opened_at is not None else 0.0
        return next(delay for limit, delay in _DELAYS if down < limit)
