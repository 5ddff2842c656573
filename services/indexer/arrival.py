"""When is a series whole? A pure decision over what the catalogue knows of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True)
class InFlight:
    """A series with instances that no revision has counted yet."""

    instances: int
    expected: int | None
    open_since: datetime
    last_instance_at: datetime
    unfinished: int
    """Associations that brought instances of it and may bring more."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds."""

    quiet: float
    agreed: float
    hard_limit: float
    compare: float
    give_up: float


class Verdict(StrEnum):
    """Why a series is whole, or that it is not yet."""

    WAIT = "wait"
    QUIET = "quiet"
    AGREED = "agreed"
    HARD_LIMIT = "hard limit"


def decide(series: InFlight, patience: Patience, now: datetime, listening_since: datetime) -> Verdict:
    """Whole when nobody may bring more and it has been quiet, a shorter while if its count agrees; or at the
    hard limit. Silence counts only while somebody was listening: a backlog is not a quiet time."""
    silence = (now - max(series.last_instance_at, listening_since)).total_seconds()
    if series.unfinished == 0:
        if silence >= patience.quiet:
            return Verdict.QUIET
        if series.expected == series.instances and silence >= patience.agreed:
            return Verdict.AGREED
    if (now - max(series.open_since, listening_since)).total_seconds() >= patience.hard_limit:
        return Verdict.HARD_LIMIT
    return Verdict.WAIT


def finished(announced: int | None, indexed: int) -> bool:
    """Whether an association is closed and everything it announced is indexed, in whichever order that came."""
    return announced is not None and indexed >= announced


def given_up(
    announced: int | None,
    last_seen_at: datetime,
    patience: Patience,
    now: datetime,
    listening_since: datetime,
) -> bool:
    """Whether a closed association has been silent for so long that its count will never agree."""
    silence = (now - max(last_seen_at, listening_since)).total_seconds()
    return announced is not None and silence >= patience.give_up
