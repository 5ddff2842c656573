"""What the sender does when something happens."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from services.sender import counting, records
from services.sender.destinations import Destinations
from services.sender.hold import held
from services.sender.parts import NotWanted, manifest_of, send_part
from services.sender.settings import SenderSettings
from services.sender.settled import forget_answers, why_needed
from services.sender.withdrawals import withdraw_all
from shared.database import Database
from shared.events import (
    DeliveryRequested,
    HeartbeatPassed,
    RemovalAnswered,
    RemovalRequested,
    RetentionApplied,
    RetentionEnded,
    SeriesAnonymized,
    SeriesDelivered,
    TransferCompleted,
    TransferFailed,
    WithdrawalAnswered,
    WithdrawalCompleted,
    WithdrawalRequested,
)
from shared.handlers import Handlers, Reject, Retry
from shared.heartbeat import passed
from shared.retention.facts import facts_of_transfers
from shared.retention.orders import going
from shared.retention.rows import answer
from shared.retention.whole import why_answers_kept, why_rest_kept
from shared.store import Store
from shared.switchable import Switch
from shared.tables import Withdrawal
from shared.tables.base import now
from shared.transfers import those_that_left, wanted
from shared.volume import FULL

handlers = Handlers()


@handlers.on(SeriesAnonymized)
async def fan_out(event: SeriesAnonymized, session: AsyncSession) -> list[DeliveryRequested]:
    """Ask for a delivery to each destination; an empty part too, so that the transfer can become whole."""
    if not event.destinations:
        raise Reject("a transfer without destinations")
    if not await wanted(session, event.transfer):
        return []
    return [
        DeliveryRequested(
            transfer=event.transfer,
            parts=event.parts,
            destinations=event.destinations,
            destination=destination,
            series_instance_uid=event.series_instance_uid,
            revision=event.revision,
            target_study_instance_uid=event.target_study_instance_uid,
            manifest=event.manifest,
            instances=event.instances,
            quarantined=event.quarantined,
            left_out=event.left_out,
            heartbeat=event.heartbeat,
        )
        for destination in event.destinations
    ]


@handlers.on(DeliveryRequested, Switch.SEND)
async def deliver(
    event: DeliveryRequested,
    database: Database,
    store: Store,
    destinations: Destinations,
    settings: SenderSettings,
) -> list[SeriesDelivered | HeartbeatPassed]:
    """Send a part, from where an interrupted earlier try stopped, and write down its counts."""
    delivered = refused = 0
    target_series = None
    with held(store, event.transfer, alone=False):
        async with database.reading() as session:
            if not await wanted(session, event.transfer):
                return []
        if event.instances:
            manifest = manifest_of(store, event)
            target_series = manifest.series_instance_uid
            patience = timedelta(hours=settings.patience_hours)
            try:
                delivered, refused = await send_part(event, manifest, database, store, destinations, patience)
            except NotWanted:
                return []
            except OSError as error:
                if error.errno in FULL:  # what a destination wants uncompressed needs room
                    raise Retry("the disk is full", delay=60) from error
                raise
    async with database.session() as session:
        if event.heartbeat is not None:
            await records.forget(session, [event.transfer])
            return [passed(event.heartbeat, "send", delivered)]
        await records.finish(session, event, target_series, delivered, refused)
    return [
        SeriesDelivered(
            transfer=event.transfer,
            destination=event.destination,
            series_instance_uid=event.series_instance_uid,
            revision=event.revision,
            delivered=delivered,
            refused=refused,
        )
    ]


@handlers.on(SeriesDelivered)
async def complete(
    event: SeriesDelivered, database: Database, destinations: Destinations, settings: SenderSettings
) -> list[TransferCompleted | TransferFailed]:
    """With the last part at the last destination: count there, and only then say that the transfer is complete."""
    async with database.reading() as session:
        finished = await records.deliveries(session, event.transfer)
        if not await wanted(session, event.transfer):
            return []
    if not counting.whole(finished):
        return []
    failed = await counting.refused(database, finished)
    failed = failed or await counting.count(database, destinations, finished, settings.count_tries)
    if failed is not None:
        return [failed]
    async with database.reading() as session:
        return [counting.completed(await records.deliveries(session, event.transfer))]


@handlers.on(WithdrawalRequested)
async def withdraw(
    event: WithdrawalRequested, database: Database, store: Store, destinations: Destinations
) -> list[WithdrawalAnswered]:
    """What a transfer has brought to a destination leaves it again, once nothing of it is under way any more."""
    with held(store, event.transfer, alone=True):
        return [await withdraw_all(event, database, store, destinations)]


@handlers.on(RemovalRequested)
async def remove(event: RemovalRequested, session: AsyncSession) -> list[RemovalAnswered]:
    """Consent was withdrawn: what was answered to the participant's instances is forgotten.

    Not of what somebody has still to remove at a destination: a program may be told to try that again.
    """
    removed = await records.forget(session, await those_that_left(session, event.transfers))
    return [RemovalAnswered(withdrawal=event.withdrawal, service="sender", removed=removed)]


@handlers.on(WithdrawalCompleted)
async def withdrawn(event: WithdrawalCompleted, session: AsyncSession) -> None:
    """All of it has left: after a consent nothing is known of it any more, after a correction a policy decides."""
    withdrawal = await session.get(Withdrawal, event.withdrawal)
    if withdrawal is not None and withdrawal.kind == "consent":
        await records.forget(session, event.transfers)


@handlers.on(RetentionEnded)
async def expire(event: RetentionEnded, session: AsyncSession, store: Store) -> list[RetentionApplied]:
    """Of a transfer that was stopped long ago all answers go; of one that was taken whole, those to each instance."""
    if event.kind not in ("answers", "settled"):
        return []
    if not await going(session):
        return [answer(event, kept="the janitor was stopped")]
    found = await facts_of_transfers(session, [event.subject])
    if not found:
        return [answer(event, kept="there is no such transfer")]
    if event.kind == "answers":
        why = why_rest_kept(found[0], event.limits, now())
    else:
        why = why_answers_kept(found[0], event.limits, now()) or await why_needed(session, store, event.subject)
    if why is not None:
        return [answer(event, kept=why)]
    if event.kind == "answers":
        return [answer(event, removed=await records.forget(session, [event.subject]))]
    return [answer(event, removed={"answers": await forget_answers(session, event.subject)})]
