"""Does it answer, and how soon: receiver, destinations, bus and database."""

import asyncio
from collections.abc import Awaitable
from time import perf_counter
from typing import Final

from pydantic import ValidationError
from sqlalchemy import select

from services.monitor import metrics
from services.monitor.neighbours import receiver
from services.monitor.probes import Ground
from services.monitor.readings import Reading
from shared.bus import BusUnavailable
from shared.database import DatabaseUnavailable
from shared.destinations import DestinationConfig, parse_destination
from shared.destinations.echo import EchoFailed, echo
from shared.tables import Destination

COVERS: Final = frozenset({"receiver", "bus", "database"})
DESTINATIONS: Final = frozenset({"destination"})
AWAY = (EchoFailed, BusUnavailable, DatabaseUnavailable, TimeoutError)


async def look(ground: Ground) -> list[Reading]:
    """C-ECHO to the receiver, a message to and fro, a question to the database."""
    context, seconds = ground.context, ground.settings.echo_seconds
    return list(
        await asyncio.gather(
            _timed("receiver", "", echo("receiver", receiver(ground.settings), context.store.root), seconds),
            _timed("bus", "", context.bus.round_trip(), seconds),
            _timed("database", "", context.database.ready(), seconds),
        )
    )


async def look_at_destinations(ground: Ground) -> list[Reading]:
    """C-ECHO, a QIDO-RS for one study, or a file written and removed; all of them at once."""
    async with ground.context.database.reading() as session:
        rows = [(row.name, row.kind, row.config) for row in await session.scalars(select(Destination))]
    looks = (_destination(ground, *row) for row in rows if row[1] != "null")
    return list(await asyncio.gather(*looks))


async def _destination(ground: Ground, name: str, kind: str, config: dict[str, object]) -> Reading:
    try:
        parsed = parse_destination(kind, config)
    except ValidationError:
        return Reading("destination", name, "failing", "its configuration makes no sense")
    seconds = ground.settings.echo_seconds
    answer = echo(name, _impatient(parsed, seconds), ground.context.store.root)
    return await _timed("destination", name, answer, seconds)


def _impatient(config: DestinationConfig, seconds: float) -> DestinationConfig:
    timeout = getattr(config, "timeout", None)
    return config if timeout is None else config.model_copy(update={"timeout": min(timeout, seconds)})


async def _timed(check: str, subject: str, answer: Awaitable[None], seconds: float) -> Reading:
    began = perf_counter()
    try:
        async with asyncio.timeout(seconds + 5):
            await answer
    except AWAY as error:
        return Reading(check, subject, "failing", _words(error))
    took = perf_counter() - began
    metrics.ECHO.labels(check, subject).set(took)
    return Reading(check, subject, "ok", f"answers within {took * 1000:.0f} ms", took)


def _words(error: BaseException) -> str:
    said = str(error) or type(error).__name__
    return (said if isinstance(error, EchoFailed) else f"no answer: {said}")[:300]
