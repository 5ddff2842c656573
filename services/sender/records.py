"""The sender's tables: what was begun, what was answered, instance by instance, and what became of each part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from services.sender.clients import Answer
from shared.database import insert_new
from shared.events import DeliveryRequested
from shared.scu.statuses import Verdict, verdict
from shared.tables.base import now
from shared.tables.sender import BegunDelivery, Delivery, SentInstance

ENOUGH_TRIES = 8
"""An instance is given up after so many answers "later", and not before the operator's patience is over."""


@dataclass(frozen=True)
class Record:
    """What is known of one instance at one destination."""

    status: int
    tries: int
    first_sent_at: datetime

    def settled(self, patience: timedelta) -> Verdict:
        """The verdict, where "later" for too long has become a refusal."""
        meant = verdict(self.status)
        if meant is Verdict.LATER and self.tries >= ENOUGH_TRIES and now() - self.first_sent_at > patience:
            return Verdict.REFUSED
        return meant


async def read_answers(session: AsyncSession, part: DeliveryRequested) -> dict[str, Record]:
    """All answers to a part so far, by SOP Instance UID."""
    rows = await session.execute(
        select(
            SentInstance.sop_instance_uid, SentInstance.status, SentInstance.tries, SentInstance.first_sent_at
        ).where(
            SentInstance.transfer == part.transfer,
            SentInstance.destination == part.destination,
            SentInstance.series_instance_uid == part.series_instance_uid,
            SentInstance.revision == part.revision,
        )
    )
    return {uid: Record(status, tries, first) for uid, status, tries, first in rows}


async def begin(session: AsyncSession, part: DeliveryRequested) -> None:
    """From now on something of the part may be at its destination."""
    row = {
        "transfer": part.transfer,
        "destination": part.destination,
        "series_instance_uid": part.series_instance_uid,
        "revision": part.revision,
    }
    await insert_new(session, BegunDelivery, [row])


async def keep_answers(session: AsyncSession, part: DeliveryRequested, answers: Sequence[Answer]) -> None:
    """Write down a batch of answers; a newer answer to the same instance replaces the older."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(SentInstance)
    statement = statement.on_conflict_do_update(
        index_elements=["transfer", "destination", "sop_instance_uid"],
        set_={
            "status": statement.excluded.status,
            "tries": SentInstance.tries + 1,
            "sent_at": statement.excluded.sent_at,
        },
    )
    moment = now()
    rows = [
        {
            "transfer": part.transfer,
            "destination": part.destination,
            "sop_instance_uid": answer.sop_instance_uid,
            "series_instance_uid": part.series_instance_uid,
            "revision": part.revision,
            "status": answer.status,
            "tries": 1,
            "first_sent_at": moment,
            "sent_at": moment,
        }
        for answer in answers
    ]
    await session.execute(statement, rows)


async def finish(
    session: AsyncSession, part: DeliveryRequested, target_series: str | None, delivered: int, refused: int
) -> None:
    """Write down that every instance of a part has its answer; the second time changes nothing."""
    row = {
        "transfer": part.transfer,
        "destination": part.destination,
        "series_instance_uid": part.series_instance_uid,
        "revision": part.revision,
        "parts": part.parts,
        "destinations": list(part.destinations),
        "target_study_instance_uid": part.target_study_instance_uid,
        "target_series_instance_uid": target_series,
        "quarantined": part.quarantined,
        "left_out": part.left_out,
        "delivered": delivered,
        "refused": refused,
        "count_tries": 0,
        "finished_at": now(),
    }
    await insert_new(session, Delivery, [row])


async def deliveries(session: AsyncSession, transfer: str) -> list[Delivery]:
    """The finished parts of a transfer at all destinations."""
    return list(await session.scalars(select(Delivery).where(Delivery.transfer == transfer)))


async def taken(session: AsyncSession, delivery: Delivery) -> frozenset[str]:
    """The SOP Instance UIDs of a part that its destination has acknowledged."""
    rows = await session.execute(select(SentInstance.sop_instance_uid, SentInstance.status).where(*_of(delivery)))
    return frozenset(uid for uid, status in rows if verdict(status) is Verdict.TAKEN)


async def refusals(session: AsyncSession, delivery: Delivery) -> Counter[int]:
    """How often a part's instances were answered with which status, the acknowledged ones left out."""
    rows = await session.execute(select(SentInstance.status).where(*_of(delivery)))
    return Counter(status for (status,) in rows if verdict(status) is not Verdict.TAKEN)


async def counted(session: AsyncSession, delivery: Delivery, number: int) -> None:
    """The destination has confirmed a part (or, 0, cannot be asked)."""
    await session.execute(update(Delivery).where(*_same(delivery)).values(counted=number))


async def asked_in_vain(session: AsyncSession, delivery: Delivery) -> None:
    """The destination does not show all that it has acknowledged."""
    tries = Delivery.count_tries + 1
    await session.execute(update(Delivery).where(*_same(delivery)).values(count_tries=tries))


async def forget(session: AsyncSession, transfers: Sequence[str]) -> dict[str, int]:
    """Delete all that is known of these transfers; how many deliveries and answers that was."""
    parts = await session.scalar(select(func.count()).where(Delivery.transfer.in_(transfers)))
    answers = await session.scalar(select(func.count()).where(SentInstance.transfer.in_(transfers)))
    for table in (Delivery, SentInstance, BegunDelivery):
        await session.execute(delete(table).where(table.transfer.in_(transfers)))
    return {"deliveries": parts or 0, "answers": answers or 0}


def _of(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    return (
        SentInstance.transfer == delivery.transfer,
        SentInstance.destination == delivery.destination,
        SentInstance.series_instance_uid == delivery.series_instance_uid,
        SentInstance.revision == delivery.revision,
    )


def _same(delivery: Delivery) -> tuple[ColumnElement[bool], ...]:
    return (
        Delivery.transfer == delivery.transfer,
        Delivery.destination == delivery.destination,
        Delivery.series_instance_uid == delivery.series_instance_uid,
        Delivery.revision == delivery.revision,
    )
