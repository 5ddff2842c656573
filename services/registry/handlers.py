"""What the registry does when something happens: exports that nobody needs or may have go, and sent mails."""

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.taken_back import take_back_consent, take_back_study, withhold
from shared.crypto import Vault
from shared.database import Database
from shared.events import (
    ParticipantWithdrawn,
    RemovalAnswered,
    RemovalRequested,
    RetentionApplied,
    RetentionEnded,
    WithdrawalRequested,
)
from shared.handlers import Handlers
from shared.log import logger
from shared.registry.life import note_export_gone
from shared.retention import rows
from shared.retention.orders import going
from shared.store import Store
from shared.tables import ProjectExport
from shared.tables.base import now

OVER = "its time was over"
handlers = Handlers()
log = logger("registry")


@handlers.on(ParticipantWithdrawn)
async def consent_withdrawn(event: ParticipantWithdrawn, database: Database, store: Store, vault: Vault) -> None:
    """Consent was withdrawn: exports that hold the participant's images are given to nobody any more."""
    if withheld := await withhold(event, database, store, vault):
        log.info("exports are withheld", project=event.project, files=withheld)


@handlers.on(RemovalRequested)
async def remove(event: RemovalRequested, database: Database, store: Store, vault: Vault) -> list[RemovalAnswered]:
    """The destinations have answered: the files of these exports go, and are counted."""
    removed = {"exports": await take_back_consent(event, database, store, vault)}
    return [RemovalAnswered(withdrawal=event.withdrawal, service="registry", removed=removed)]


@handlers.on(WithdrawalRequested)
async def withdraw(event: WithdrawalRequested, database: Database, store: Store, vault: Vault) -> None:
    """A study was corrected or cancelled: exports that hold it go."""
    if gone := await take_back_study(event, database, store, vault):
        log.info("exports are gone", transfer=event.transfer, files=gone)


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
        await note_export_gone(session, row, OVER)
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
