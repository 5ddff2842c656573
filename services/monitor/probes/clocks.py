"""Do clocks agree: the database's, the broker's and the destinations' with that of this process."""

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from pydantic import ValidationError
from sqlalchemy import func, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.readings import Reading, by_limits
from services.monitor.threads import in_thread
from shared.destinations import DicomWebDestination, parse_destination
from shared.destinations.connect import http_client
from shared.tables import Destination

COVERS: Final = frozenset({"clock"})
DATE_SECONDS: Final = 1.0
"""HTTP's Date has no fractions: a clock that agrees is up to so much behind."""


async def look(ground: Ground) -> list[Reading]:
    """PostgreSQL says its time; of HTTP servers the Date of any answer is taken. SQLite has our clock."""
    database = ground.context.database
    readings = [] if database.sqlite else [await _database(ground)]
    async with database.reading() as session:
        rows = [(row.name, row.kind, row.config) for row in await session.scalars(select(Destination))]
    asked: dict[str, Callable[[], httpx.Client]] = {}
    if (url := ground.settings.broker_url) is not None:
        asked["broker"] = lambda: httpx.Client(base_url=url, timeout=ground.settings.echo_seconds)
    for name, kind, config in rows:
        try:
            parsed = parse_destination(kind, config)
        except ValidationError:
            continue
        if isinstance(parsed, DicomWebDestination):
            soon = parsed.model_copy(update={"timeout": min(parsed.timeout, ground.settings.echo_seconds)})
            asked[name] = lambda config=soon: http_client(config)  # type: ignore[misc]
    answers = await asyncio.gather(*(in_thread(skew_of, client) for client in asked.values()))
    return [*readings, *(_reading(ground, name, skew) for name, skew in zip(asked, answers, strict=True))]


async def _database(ground: Ground) -> Reading:
    async with ground.context.database.reading() as session:
        await session.scalar(select(1))
        before = time.time()
        theirs = await session.scalar(select(func.clock_timestamp()))
        middle = (before + time.time()) / 2
    return _reading(ground, "database", theirs.timestamp() - middle if theirs is not None else None)


def skew_of(client: Callable[[], httpx.Client]) -> float | None:
    """Their clock minus ours in seconds, as well as a Date can tell; None when there is none."""
    try:
        with client() as opened:
            before = time.time()
            answer = opened.head("")
            middle = (before + time.time()) / 2
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (httpx.HTTPError, OSError, KeyError, ValueError):
        return None
    # A Date names the second that has begun: only what is outside of it is known to be wrong.
    if theirs <= middle <= theirs + DATE_SECONDS:
        return 0.0
    return theirs - middle if theirs > middle else theirs + DATE_SECONDS - middle


def _reading(ground: Ground, subject: str, skew: float | None) -> Reading:
    if skew is None:
        return Reading("clock", subject, None)
    metrics.SKEW.labels(subject).set(skew)
    state = by_limits(abs(skew), ground.settings.skew_warning_seconds, ground.settings.skew_failing_seconds)
    return Reading("clock", subject, state, f"{skew:+.1f} s from ours", skew)
