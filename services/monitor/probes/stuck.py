"""What has come and does not go on: not published, not indexed, not arrived, not assigned, not sent."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, exists, func, or_, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.probes.journal import Debt, Journal
from services.monitor.readings import Reading, State, lasting
from shared.tables import Assignment, Association, OutboxEntry, Series, Study, Transfer
from shared.tables.base import now

COVERS: Final = frozenset({"stuck"})
GIVEN_UP: Final = timedelta(days=1)


async def look(ground: Ground, journal: Journal) -> list[Reading]:
    """One reading for each step that something can be stuck before."""
    settings, moment = ground.settings, now()
    debt = await asyncio.to_thread(journal.debt)
    metrics.OWED.set(debt.instances)
    metrics.OWED_OLDEST.set(debt.oldest)
    arrive = moment - timedelta(hours=settings.arrive_hours)
    assign = moment - timedelta(days=settings.assign_days)
    transfer = moment - timedelta(hours=settings.transfer_hours)
    publish = moment - timedelta(seconds=settings.publish_seconds)
    theirs = exists().where(Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force)
    unassigned = ~theirs, Study.is_here
    # Of associations that have ended: those that wait, and for a day those that were given up.
    waits = or_(Association.finished_at.is_(None), Association.finished_at > moment - GIVEN_UP)
    lacking = Association.announced > Association.indexed, Association.last_seen_at < publish, waits
    counts: tuple[tuple[str, State, str, Select[Any]], ...] = (
        ("index", "failing", "associations have brought more than is indexed", _count().where(*lacking)),
        ("arrive", "warning", "series are open for too long", _count().where(Series.open_since < arrive)),
        ("assign", "warning", "studies wait for an assignment", _count().where(Study.arrived_at < assign, *unassigned)),
        (
            "transfer",
            "failing",
            "transfers do not come to their end",
            _count().where(Transfer.finished_at.is_(None), Transfer.requested_at < transfer),
        ),
        ("outbox", "failing", "events wait for the bus", _count().where(OutboxEntry.created_at < publish)),
    )
    readings = [_published(debt, settings.publish_seconds)]
    async with ground.context.database.reading() as session:
        for step, state, words, query in counts:
            count = int(await session.scalar(query) or 0)
            readings.append(Reading("stuck", step, state if count else "ok", f"{count} {words}", count))
    for reading in readings:
        counted = float(reading.state != "ok") if reading.subject == "publish" else reading.value or 0.0
        metrics.STUCK.labels(reading.subject).set(counted)
    return readings


def _published(debt: Debt, late: float) -> Reading:
    said = f"{debt.instances} received and not published, the oldest {lasting(debt.oldest)} ago"
    state: State = "failing" if debt.oldest > late else "ok"
    return Reading("stuck", "publish", state, said if debt.instances else "nothing is owed", debt.oldest)


def _count() -> Select[Any]:
    return select(func.count())
