"""What the registry does when something happens: exports that nobody needs any more go, and mails that were sent."""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database
from shared.events import RetentionApplied, RetentionEnded
from shared.handlers import Handlers
from shared.log import logger
from shared.retention import rows
from shared.retention.orders import going
from shared.store import Store
from shared.tables import ProjectExport
from shared.tables.base import now

handlers = Handlers()
log = logger("registry")


@handlers.on(RetentionEnded)
async def expire(event: RetentionEnded, database: Database, store: Store) -> list[RetentionApplied]:
    """One export, or some rows of one table."""
    if event.kind == "export":
        return [await _export(event, database, store)]
    async with database.session() as session:
        return await rows.apply(session, "registry", event)


async def _export(event: RetentionEnded, database: Database, store: Store) -> RetentionApplied:
    """The row says first that it is gone: nobody is given half a file."""
    async with database.session() as session:
        row = await session.get(ProjectExport, event.subject, with_for_update=True)
        if row is None:
            return rows.answer(event, kept="there is no such export")
        if (why := await _why(session, row, event)) is not None:
            return rows.answer(event, kept=why)
        row.state, path = "gone", row.path
    size = await asyncio.to_thread(_remove, store, path)
    log.info("an export is gone", project=row.project, export=row.id, bytes=size)
    return rows.answer(event, removed={"files": 1, "bytes": size})


async def _why(session: AsyncSession, row: ProjectExport, event: RetentionEnded) -> str | None:
    """Why an export stays; None: it may go, or an earlier try has said so already."""
    if not await going(session):
        return "the janitor was stopped"
    if row.final and row.state != "gone":
        return "it is the last one of its project"
    if row.state not in ("ready", "confirmed", "gone"):
        return f"it is {row.state}"
    return "it is recent" if (row.made_at or now()) > now() - timedelta(days=event.limits.min_days) else None


def _remove(store: Store, path: str) -> int:
    file = store / path
    if not path or not file.is_file():
        return 0
    size = file.stat().st_size
    file.unlink(missing_ok=True)
    return size
