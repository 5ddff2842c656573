"""What the janitor does when something happens: it notes what was removed, and removes what is its own."""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from services.janitor import metrics, temporary
from services.janitor.policies import Policies
from shared.database import Database
from shared.events import RetentionApplied, RetentionEnded
from shared.handlers import Handlers
from shared.log import logger
from shared.retention import rows
from shared.retention.orders import going
from shared.store import Store
from shared.tables import JanitorLine, JanitorRun
from shared.tables.base import now

handlers = Handlers()
log = logger("janitor")


@handlers.on(RetentionApplied)
async def note(event: RetentionApplied, session: AsyncSession, policies: Policies) -> list[RetentionEnded]:
    """Write down what has become of a removal, and ask for the next step of one that takes several."""
    log.info(
        "kept" if event.kept else "removed",
        run=event.run,
        policy=event.kind,
        subject=event.subject,
        why=event.kept,
        **event.removed,
    )
    (metrics.KEPT if event.kept else metrics.REMOVED).labels(event.kind).inc()
    metrics.REMOVED_BYTES.labels(event.kind).inc(event.removed.get("bytes", 0))
    line = await session.get(JanitorLine, (event.run, event.kind, event.subject), with_for_update=True)
    if line is None:
        return []
    line.at = now()
    line.removed = {
        what: line.removed.get(what, 0) + event.removed.get(what, 0) for what in {*line.removed, *event.removed}
    }
    if event.kept:
        line.state, line.why = "kept", event.kept[:200]
        return []
    run = await session.get(JanitorRun, event.run)
    days = policies.rows.get(event.subject) if event.kind == "rows" else policies.identities.days
    if not event.more or days is None or run is None or run.state != "running" or not await going(session):
        line.state = "removed"
        return []
    before = now() - timedelta(days=days)
    return [RetentionEnded(run=event.run, kind=event.kind, subject=event.subject, step=event.step + 1, before=before)]


@handlers.on(RetentionEnded)
async def expire(event: RetentionEnded, database: Database, store: Store) -> list[RetentionApplied]:
    """Temporary files that nobody writes any more, and rows: of the inbox, and the janitor's own."""
    if event.kind != "temporary":
        async with database.session() as session:
            return await rows.apply(session, "janitor", event)
    async with database.reading() as session:
        if not await going(session):
            return [rows.answer(event, kept="the janitor was stopped")]
    removed = await asyncio.to_thread(temporary.remove, store, event.subject, event.before)
    return [rows.answer(event, removed=removed)]
