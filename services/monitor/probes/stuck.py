"""What has come and does not go on: not published, not indexed, not arrived, not assigned, not sent, not taken back."""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, exists, func, or_, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.probes.journal import Debt, Journal
from services.monitor.readings import Reading, State, lasting
from services.monitor.settings import MonitorSettings
from shared.registry.projects import takes_studies, today
from shared.tables import Assignment, Association, OutboxEntry, Project, Series, Study, Transfer, Withdrawal
from shared.tables.base import now

COVERS: Final = frozenset({"stuck"})
GIVEN_UP: Final = timedelta(days=1)


async def look(ground: Ground, journal: Journal) -> list[Reading]:
    """One reading for each step that something can be stuck before."""
    debt = await asyncio.to_thread(journal.debt)
    metrics.OWED.set(debt.instances)
    metrics.OWED_OLDEST.set(debt.oldest)
    readings = [_published(debt, ground.settings.publish_seconds)]
    async with ground.context.database.reading() as session:
        for step, state, words, query in _steps(ground.settings, now()):
            count = int(await session.scalar(query) or 0)
            readings.append(Reading("stuck", step, state if count else "ok", f"{count} {words}", count))
    for reading in readings:
        counted = float(reading.state != "ok") if reading.subject == "publish" else reading.value or 0.0
        metrics.STUCK.labels(reading.subject).set(counted)
    return readings


def _steps(settings: MonitorSettings, moment: datetime) -> Iterator[tuple[str, State, str, Select[Any]]]:
    """What is counted, and what it means if there is any."""
    publish = moment - timedelta(seconds=settings.publish_seconds)
    arrive = moment - timedelta(hours=settings.arrive_hours)
    assign = moment - timedelta(days=settings.assign_days)
    transfer = moment - timedelta(hours=settings.transfer_hours)
    # Of associations that have ended: those that wait, and for a day those that were given up.
    waits = or_(Association.finished_at.is_(None), Association.finished_at > moment - GIVEN_UP)
    lacking = Association.announced > Association.indexed, Association.last_seen_at < publish, waits
    unassigned = Study.arrived_at < assign, Study.is_here, ~exists().where(_of_study(), Assignment.in_force)
    undone = Withdrawal.state.in_(("under_way", "by_hand")), Withdrawal.requested_at < transfer
    unfinished = Transfer.finished_at.is_(None), Transfer.requested_at < transfer
    yield "index", "failing", "associations have brought more than is indexed", _count().where(*lacking)
    yield "arrive", "warning", "series are open for too long", _count().where(Series.open_since < arrive)
    yield "assign", "warning", "studies wait for an assignment", _count().where(*unassigned)
    yield "request", "warning", "assigned studies wait to be sent", _not_asked_for(transfer)
    yield "transfer", "failing", "transfers do not come to their end", _count().where(*unfinished)
    yield "withdraw", "warning", "withdrawals do not come to their end", _count().where(*undone)
    yield "outbox", "failing", "events wait for the bus", _count().where(OutboxEntry.created_at < publish)


def _not_asked_for(since: datetime) -> Select[Any]:
    """Assignments that wait for a withdrawal, or have no transfer though the study is here; where studies are taken.

    A project that is paused, archived or not approved now has them wait on purpose, until it is open again.
    """
    takes = exists().where(Project.name == Assignment.project, takes_studies(today()))
    mine = Assignment.in_force, Assignment.created_at < since
    arrived = exists().where(_of_study(), Study.arrived_at < since)
    asked_for = exists().where(Transfer.assignment == Assignment.id)
    held = _count().where(*mine, Assignment.waits_for.is_not(None), takes)
    forgotten = _count().where(*mine, Assignment.waits_for.is_(None), ~asked_for, arrived, takes)
    return select(held.scalar_subquery() + forgotten.scalar_subquery())


def _of_study() -> ColumnElement[bool]:
    return Assignment.study_instance_uid == Study.study_instance_uid


def _published(debt: Debt, late: float) -> Reading:
    said = f"{debt.instances} received and not published, the oldest {lasting(debt.oldest)} ago"
    state: State = "failing" if debt.oldest > late else "ok"
    return Reading("stuck", "publish", state, said if debt.instances else "nothing is owed", debt.oldest)


def _count() -> Select[Any]:
    return select(func.count())
