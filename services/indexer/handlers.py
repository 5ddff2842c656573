"""What the indexer does when instances have come, and when an association has ended."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import associations, catalogue, files, metrics
from services.indexer.clock import Clock
from services.indexer.headers.image import Away, Image, Reader
from services.indexer.leaving import retention
from services.indexer.leaving import study as leaving
from shared import heartbeat
from shared.crypto import Vault
from shared.database import Database, lock
from shared.events import (
    AssociationClosed,
    Event,
    InstancesReceived,
    RemovalAnswered,
    RemovalRequested,
    RetentionEnded,
    SeriesArrived,
    StudyForgotten,
)
from shared.handlers import Handlers, Reject, Retry
from shared.heartbeat.image import is_made_up
from shared.retention import rows
from shared.store import Store, valid_uid
from shared.tables import Association

handlers = Handlers()


@handlers.on(InstancesReceived)
async def index(
    event: InstancesReceived, database: Database, store: Store, vault: Vault, reader: Reader, clock: Clock
) -> list[Event]:
    """Read every header once, then catalogue and link study by study, each in a transaction of its own.

    Files that cannot be read now are an event of their own: it has its tries, and the others need not wait for them.
    """
    _check(event, store)
    with metrics.READING.time():
        read = await reader.read_all(event.instances)
    away = [each for each in read if isinstance(each, Away)]
    images = [each for each in read if isinstance(each, Image)]
    if away and not images:
        raise Retry(f"{len(away)} received files cannot be read: {away[0].error}")
    if images and (beat := await _heartbeat(event, images, database, store)):
        return beat
    metrics.UNREADABLE.inc(sum(not image.readable for image in images))
    for study_uid, members in groupby(sorted(images, key=_study), key=_study):
        await _index_study(event, study_uid, list(members), database, store, vault, clock)
    return [event.model_copy(update={"instances": tuple(each.instance for each in away)})] if away else []


async def _heartbeat(
    event: InstancesReceived, images: Sequence[Image], database: Database, store: Store
) -> list[Event]:
    """What is said of a heartbeat: it is not catalogued, and goes no further if nobody remembers it. Else nothing."""
    if (beat := heartbeat.looks_like(event.instances)) is None:
        return []
    async with database.reading() as session:
        remembered = await heartbeat.is_one(session, beat)
    if remembered:
        return [_arrived(beat), heartbeat.passed(beat, "index", sum(image.readable for image in images))]
    if await asyncio.to_thread(is_made_up, store / event.instances[0].path, beat):
        return [heartbeat.passed(beat, "index", 0)]
    return []


def _arrived(beat: str) -> SeriesArrived:
    """Whole as it is: nothing of it is waited for."""
    of = heartbeat.uids(beat)
    return SeriesArrived(
        study_instance_uid=of.study, series_instance_uid=of.series, revision=1, instances=1, total=1, heartbeat=beat
    )


def _check(event: InstancesReceived, store: Store) -> None:
    """What could lead out of the store comes from no receiver."""
    for each in event.instances:
        if not all(map(valid_uid, (each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid))):
            raise Reject("an instance without valid UIDs")
        try:
            store / each.path
        except ValueError:
            raise Reject("a path that leads out of the store") from None


def _study(image: Image) -> str:
    return image.instance.study_instance_uid


async def _index_study(
    event: InstancesReceived,
    study_uid: str,
    images: list[Image],
    database: Database,
    store: Store,
    vault: Vault,
    clock: Clock,
) -> None:
    async with files.study_lock(store, study_uid):
        with metrics.CATALOGUING.time():
            async with database.session() as session:
                now = clock.now()
                association = await associations.seen(session, event, now)
                await lock(session, "indexer", study_uid)
                outcome = await catalogue.write(session, event, images, vault, now)
                await associations.count(session, association, [image.instance for image in images], now)
        await asyncio.to_thread(files.write, store, event, outcome.kept, outcome.types)
    metrics.INSTANCES.labels("new").inc(outcome.new)
    metrics.INSTANCES.labels("known").inc(len(outcome.kept) - outcome.new)
    metrics.INSTANCES.labels("conflict").inc(len(outcome.conflicts))


@handlers.on(AssociationClosed)
async def close(event: AssociationClosed, session: AsyncSession, clock: Clock) -> None:
    """Remember how many instances the association announced; the tick decides what that means."""
    if event.heartbeat and await session.get(Association, event.association) is None:
        return
    await associations.closed(session, event.association, event.instances, clock.now())


@handlers.on(StudyForgotten)
async def forget(event: StudyForgotten, database: Database, store: Store, vault: Vault) -> None:
    """Remove a study that no project holds."""
    if not valid_uid(event.study_instance_uid):
        raise Reject("no valid UID")
    await _leave(event.study_instance_uid, database, store, vault)


@handlers.on(RemovalRequested)
async def remove(event: RemovalRequested, database: Database, store: Store, vault: Vault) -> list[RemovalAnswered]:
    """Consent was withdrawn: studies that nobody else needs go, study by study."""
    removed, left = Counter[str](), Counter[str]()
    for uid in event.studies:
        if (gone := await _leave(uid, database, store, vault)) is None:
            left["studies that belong to others"] += 1
        else:
            removed += gone
    return [RemovalAnswered(withdrawal=event.withdrawal, service="indexer", removed=dict(removed), left=dict(left))]


@handlers.on(RetentionEnded)
async def expire(
    event: RetentionEnded, database: Database, store: Store, vault: Vault, clock: Clock
) -> Sequence[Event]:
    """The time of something is over: files of a study, identities, links; one at a time."""
    match event.kind:
        case "archive" | "missing" if not valid_uid(event.subject):
            raise Reject("no valid UID")
        case "archive":
            return [await retention.archive(event, database, store, vault, clock)]
        case "missing":
            return [await retention.missing(event, database, store, clock)]
        case "identities":
            return await retention.identities(event, database, store, vault)
        case "links":
            return [await retention.sweep(event, database, store)]
        case _:
            async with database.session() as session:
                return await rows.apply(session, "indexer", event)


async def _leave(uid: str, database: Database, store: Store, vault: Vault) -> Counter[str] | None:
    """Remove a study, files before rows, which say where they are; what that was. None: a project holds it."""
    async with files.study_lock(store, uid):
        async with database.reading() as session:
            if await leaving.wanted(session, uid):
                return None
            fields = await leaving.named_by(session, vault, uid)
        gone = Counter({"files": await asyncio.to_thread(leaving.count_files, store, uid)})
        try:
            await asyncio.to_thread(leaving.remove_files, store, uid, fields)
        except OSError as error:
            raise Retry(f"files cannot be removed: {type(error).__name__}") from None
        async with database.session() as session:
            await lock(session, "indexer", uid)
            gone += await leaving.remove_rows(session, uid)
    return gone
