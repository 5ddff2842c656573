"""What has come and does not go on: not published, not arrived, not assigned, not sent."""

import asyncio
import os
import time
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select, exists, func, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.readings import Reading, State, lasting
from shared.tables import Assignment, OutboxEntry, Series, Study, Transfer
from shared.tables.base import now

COVERS: Final = frozenset({"stuck"})
FOLDERS, ENTRIES = 2000, 50
"""Of a journal so much is looked at; what is owed for long is not hard to find."""


async def look(ground: Ground) -> list[Reading]:
    """One reading for each step that something can be stuck before."""
    settings, moment = ground.settings, now()
    oldest = await asyncio.to_thread(oldest_owed, ground.context.store.root / "journal")
    late = oldest is not None and oldest > settings.publish_seconds
    arrive = moment - timedelta(hours=settings.arrive_hours)
    assign = moment - timedelta(days=settings.assign_days)
    transfer = moment - timedelta(hours=settings.transfer_hours)
    publish = moment - timedelta(seconds=settings.publish_seconds)
    theirs = exists().where(Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force)
    counts: tuple[tuple[str, State, str, Select[Any]], ...] = (
        ("arrive", "warning", "series are open for too long", _count().where(Series.open_since < arrive)),
        ("assign", "warning", "studies wait for an assignment", _count().where(Study.arrived_at < assign, ~theirs)),
        (
            "transfer",
            "failing",
            "transfers do not come to their end",
            _count().where(Transfer.finished_at.is_(None), Transfer.requested_at < transfer),
        ),
        ("outbox", "failing", "events wait for the bus", _count().where(OutboxEntry.created_at < publish)),
    )
    readings = [
        Reading(
            "stuck",
            "publish",
            "failing" if late else "ok",
            "nothing is owed" if oldest is None else f"received {lasting(oldest)} ago and not published",
            oldest or 0.0,
        )
    ]
    async with ground.context.database.reading() as session:
        for step, state, words, query in counts:
            count = int(await session.scalar(query) or 0)
            readings.append(Reading("stuck", step, state if count else "ok", f"{count} {words}", count))
    for reading in readings:
        counted = float(reading.state != "ok") if reading.subject == "publish" else reading.value or 0.0
        metrics.STUCK.labels(reading.subject).set(counted)
    return readings


def _count() -> Select[Any]:
    return select(func.count())


def oldest_owed(journal: Path) -> float | None:
    """Seconds for which the oldest instance has been owed to the bus; None: nothing is. Looks at no file's content."""
    oldest: float | None = None
    try:
        owners = [path for path in journal.iterdir() if path.is_dir() and not path.name.startswith(".")]
    except FileNotFoundError:
        return None
    for folder in islice((each for owner in owners for each in _entries(owner) if each.is_dir()), FOLDERS):
        for entry in islice((each for each in _entries(Path(folder.path)) if each.name.endswith(".owed")), ENTRIES):
            try:
                age = time.time() - entry.stat().st_mtime
            except FileNotFoundError:
                continue
            oldest = max(age, oldest or 0.0)
    return oldest


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []
