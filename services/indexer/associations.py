"""What is known of associations: which files each brought, and whether it may bring more.

A count is always that of distinct files, so a batch that comes twice, or again in other portions after a
crash of the receiver, counts once; a file that an earlier association brought counts for this one too.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import arrival, metrics
from services.indexer.arrival import Patience
from services.indexer.clock import Clock
from services.indexer.rows import insert_missing
from shared.database import insert_new
from shared.events import InstancesReceived, ReceivedInstance
from shared.log import logger
from shared.tables import Association, AssociationInstance, Series

log = logger("indexer")


async def _own(session: AsyncSession, row: dict[str, object]) -> Association:
    """The association's row, made if need be, locked until the transaction ends."""
    await insert_new(session, Association, [row])
    query = select(Association).where(Association.id == row["id"]).with_for_update()
    return (await session.execute(query, execution_options={"populate_existing": True})).scalar_one()


async def seen(session: AsyncSession, event: InstancesReceived, now: datetime) -> Association:
    """An association has brought instances. Every writer takes this lock before that of a study."""
    known = {
        "calling_aet": event.calling_aet[:16],
        "called_aet": event.called_aet[:16],
        "caller_ip": event.caller_ip[:45],
    }
    association = await _own(session, {"id": event.association, "last_seen_at": now, **known})
    association.last_seen_at = now
    if association.calling_aet is None:
        for name, value in known.items():
            setattr(association, name, value)
    return association


async def count(
    session: AsyncSession, association: Association, instances: Collection[ReceivedInstance], now: datetime
) -> None:
    """Note which files it brought; it is finished when they are as many as it announced."""
    if association.finished_at is not None:
        return
    rows = [
        {"association": association.id, "path": each.path, "series_instance_uid": each.series_instance_uid}
        for each in instances
    ]
    await insert_missing(session, AssociationInstance, rows)
    counted = select(func.count()).where(AssociationInstance.association == association.id)
    association.indexed = (await session.execute(counted)).scalar_one()
    if arrival.finished(association.announced, association.indexed):
        await finish(session, association, now)


async def closed(session: AsyncSession, id: str, announced: int, now: datetime) -> None:
    """An association has ended. Said twice with different counts, the greater one holds."""
    association = await _own(session, {"id": id, "last_seen_at": now})
    association.announced = max(announced, association.announced or 0)
    association.last_seen_at = now
    if association.finished_at is None and arrival.finished(association.announced, association.indexed):
        await finish(session, association, now)


async def finish(session: AsyncSession, association: Association, now: datetime) -> None:
    """Nothing more is to come from it: it no longer holds any series open."""
    association.finished_at = now
    await session.execute(delete(AssociationInstance).where(AssociationInstance.association == association.id))


async def give_up(session: AsyncSession, patience: Patience, clock: Clock) -> None:
    """Let go of closed associations whose count will never agree."""
    query = select(Association).where(Association.finished_at.is_(None), Association.announced.is_not(None))
    now = clock.now()
    for association in (
        await session.execute(query.order_by(Association.id).with_for_update(skip_locked=True))
    ).scalars():
        if arrival.given_up(association.announced, association.last_seen_at, patience, now, clock.listening_since):
            log.warning(
                "association given up",
                association=association.id,
                announced=association.announced,
                indexed=association.indexed,
            )
            metrics.GIVEN_UP.inc()
            await finish(session, association, now)


async def unfinished(session: AsyncSession, series: Collection[str], *, ended: bool = True) -> dict[str, int]:
    """Of these series, how many unfinished associations hold each; without those that have ended, if that is asked."""
    query = (
        select(
            AssociationInstance.series_instance_uid,
            func.count(AssociationInstance.association.distinct()),
        )
        .where(AssociationInstance.series_instance_uid.in_(series))
        .group_by(AssociationInstance.series_instance_uid)
    )
    if not ended:
        query = query.where(AssociationInstance.association.in_(select(Association.id).where(_OPEN)))
    return dict((await session.execute(query)).all())


_OPEN = Association.announced.is_(None)


def held_by_ended(before: datetime) -> ColumnElement[bool]:
    """Of a series: associations hold it, and all of them ended before then with counts that do not agree."""
    holds = AssociationInstance.series_instance_uid == Series.series_instance_uid
    fresh = AssociationInstance.association == Association.id, or_(_OPEN, Association.last_seen_at > before)
    return and_(exists().where(holds), ~exists().where(holds, *fresh))
