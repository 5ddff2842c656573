"""What the monitor does when a heartbeat has passed a service."""

import asyncio
from typing import Final

from services.monitor import metrics
from services.monitor.leaving import remove_files
from shared.database import Database
from shared.events import HeartbeatPassed
from shared.handlers import Handlers
from shared.store import Store
from shared.tables import Heartbeat

handlers = Handlers()
COLUMNS: Final = {"index": "indexed_at", "route": "routed_at", "anonymise": "anonymized_at", "send": "delivered_at"}


@handlers.on(HeartbeatPassed)
async def passed(event: HeartbeatPassed, database: Database, store: Store) -> None:
    """Note when; at the end of its road, or where it was not let through, nothing of it stays but the note."""
    over = event.step == "send"
    if over:
        await asyncio.to_thread(remove_files, store, event.heartbeat)
    async with database.session() as session:
        row = await session.get(Heartbeat, event.heartbeat, with_for_update=True)
        if row is None and not over:
            # Nobody remembers it: it was found in the archive, or the database is of a day before it.
            await asyncio.to_thread(remove_files, store, event.heartbeat)
        if row is None or getattr(row, COLUMNS[event.step]) is not None:
            return
        setattr(row, COLUMNS[event.step], event.at)
        if not event.instances and not row.detail:
            row.detail = f"was not let through by {event.step}"
        if over:
            row.outcome = "arrived" if event.instances else "incomplete"
            metrics.HEARTBEATS.labels(row.outcome).inc()
