"""What is owed to REDCap when something happens; whether and when it can be paid is the writer's concern."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.owed import owe
from services.redcap.tokens import INCOMING, Tokens
from services.redcap.withdrawn import forget, forget_taken_back, used
from services.redcap.writing.results import read_result
from shared.database import Database, insert_new
from shared.events import (
    QuarantineReviewed,
    RedcapComparisonRequested,
    RemovalAnswered,
    RemovalRequested,
    SeriesAnonymized,
    SeriesArrived,
    StudyArrived,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferRequested,
    WithdrawalAnswered,
    WithdrawalCompleted,
    WithdrawalConfirmed,
)
from shared.handlers import Handlers
from shared.store import Store
from shared.tables import RedcapResult, RedcapTarget, Transfer

handlers = Handlers()
SETTLED = 30.0
"""Seconds after which the router has surely seen the same event, too."""


@handlers.on(StudyArrived)
async def study(event: StudyArrived, session: AsyncSession, tokens: Tokens) -> None:
    """Incoming is to hear of the study."""
    if tokens.has(INCOMING):
        await owe(session, INCOMING, "study", [event.study_instance_uid])


@handlers.on(SeriesArrived)
async def series(event: SeriesArrived, session: AsyncSession, tokens: Tokens) -> None:
    """Incoming is to hear of the series, and again when it has grown."""
    if event.heartbeat is None and tokens.has(INCOMING):
        await owe(session, INCOMING, "series", [event.series_instance_uid])


@handlers.on(TransferRequested)
async def requested(event: TransferRequested, session: AsyncSession, tokens: Tokens) -> None:
    """Incoming is to hear of the transfer."""
    if event.heartbeat is None and tokens.has(INCOMING):
        await owe(session, INCOMING, "transfer", [event.transfer])


@handlers.on(SeriesAnonymized)
async def anonymized(event: SeriesAnonymized, database: Database, store: Store, tokens: Tokens) -> None:
    """Keep what the study is called there, as long as its files are here."""
    if event.heartbeat is not None or not event.instances or not (tokens.has(INCOMING) or tokens.has(event.project)):
        return
    found = await asyncio.to_thread(read_result, store, event.transfer, event.manifest)
    if found is not None:
        values = {column.name: getattr(found, column.name) for column in RedcapResult.__table__.columns}
        async with database.session() as session:
            await insert_new(session, RedcapResult, [values])


@handlers.on(TransferCompleted)
async def completed(event: TransferCompleted, session: AsyncSession, tokens: Tokens) -> None:
    """Incoming is to hear that it has ended, and the project's own REDCap project that there are images."""
    await _ended(session, tokens, event.transfer, sent=event.delivered > 0)


@handlers.on(TransferFailed)
async def failed(event: TransferFailed, session: AsyncSession, tokens: Tokens) -> None:
    """Incoming is to hear that it has ended, and how."""
    await _ended(session, tokens, event.transfer, sent=False)


@handlers.on(QuarantineReviewed)
async def reviewed(event: QuarantineReviewed, session: AsyncSession, tokens: Tokens) -> None:
    """A decision may have completed a transfer."""
    await _changed(session, tokens, event.transfer)


@handlers.on(TransferCancelled)
async def cancelled(event: TransferCancelled, session: AsyncSession, tokens: Tokens) -> None:
    """Nobody wants the transfer any more."""
    await _changed(session, tokens, event.transfer)


@handlers.on(WithdrawalAnswered)
async def withdrawn(event: WithdrawalAnswered, session: AsyncSession, tokens: Tokens) -> None:
    """What a transfer had brought may have left."""
    await _changed(session, tokens, event.transfer)


@handlers.on(WithdrawalConfirmed)
async def confirmed(event: WithdrawalConfirmed, session: AsyncSession, tokens: Tokens) -> None:
    """A person has removed it by hand."""
    await _changed(session, tokens, event.transfer)


@handlers.on(WithdrawalCompleted)
async def taken_back(event: WithdrawalCompleted, session: AsyncSession) -> None:
    """What was sent wrongly has left everywhere: what is kept of it here is of no use any more."""
    await forget_taken_back(session, event.transfers)


@handlers.on(RemovalRequested)
async def remove(event: RemovalRequested, session: AsyncSession) -> list[RemovalAnswered]:
    """Consent was withdrawn: forget what is known of their places in REDCap, and say what is left there."""
    removed, left = await forget(session, event)
    if not (+removed or left or await used(session)):
        return []
    return [RemovalAnswered(withdrawal=event.withdrawal, service="redcap", removed=dict(removed), left=dict(left))]


@handlers.on(RedcapComparisonRequested)
async def comparison(event: RedcapComparisonRequested, session: AsyncSession) -> None:
    """Somebody wants to know where gateway and REDCap differ, or that REDCap is given what it lacks."""
    target = await session.get(RedcapTarget, event.project, with_for_update=True)
    if target is not None and target.configured:
        target.comparison, target.repair = event.comparison, event.repair or target.repair
        target.due_at = None


async def _changed(session: AsyncSession, tokens: Tokens, transfer: str) -> None:
    if tokens.has(INCOMING):
        await owe(session, INCOMING, "transfer", [transfer], after=SETTLED)


async def _ended(session: AsyncSession, tokens: Tokens, identity: str, *, sent: bool) -> None:
    if tokens.has(INCOMING):
        await owe(session, INCOMING, "transfer", [identity], final=True)
    transfer = await session.get(Transfer, identity)
    if sent and transfer is not None and tokens.has(transfer.project):
        await owe(session, transfer.project, "imaging", [identity])
