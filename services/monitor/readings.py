"""What one look at one thing has said."""

from dataclasses import dataclass
from typing import Final, Literal

State = Literal["ok", "warning", "failing"]
ORDER: Final[tuple[State, ...]] = ("ok", "warning", "failing")


@dataclass(frozen=True)
class Reading:
    """A thing (`check`, and which one of its sort) and how it looks; the detail is free of PHI.

    Without a state it is there, but could not be looked at: what was known of it holds.
    """

    check: str
    subject: str
    state: State | None
    detail: str = ""
    value: float | None = None


def by_limits(value: float, warning: float, failing: float) -> State:
    """What a number means that is better when it is small."""
    return "failing" if value >= failing else "warning" if value >= warning else "ok"


def lasting(seconds: float) -> str:
    """A span for people."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
