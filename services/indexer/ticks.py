"""Every second: which series are whole, and which studies with them."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, and_, case, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import associations, metrics
from services.indexer.accounted import accounted
from services.indexer.arrival import InFlight, Patience, Verdict, decide
from services.indexer.clock import Clock
from services.indexer.settings import IndexerSettings
from shared.database import try_lock
from shared.events import Event, SeriesArrived, StudyArrived
from shared.moments import AHEAD
from shared.store import Store
from shared.tables import Association, AssociationInstance, Instance, Series, Study


def patience(settings: IndexerSettings) -> Patience:
    """The settings, as the decision takes them."""
    return Patience(
        quiet=settings.quiet_seconds,
        agreed=settings.quiet_agreed_seconds,
        hard_limit=settings.hard_limit_seconds,
        compare=settings.compare_seconds,
        give_up=settings.give_up_seconds,
    )


LOOKED_AT = 20
"""Series a second, any of them, whose studies' files are compared to the catalogue: a backlog of many costs no more."""


async def arrive(session: AsyncSession, settings: IndexerSettings, clock: Clock, store: Store) -> Sequence[Event]:
    """Publish the series that are whole, and the studies that have no other open series."""
    waiting = patience(settings)
    await _forget_the_future(session, clock)
    await associations.give_up(session, waiting, clock)
    metrics.OPEN_SERIES.set(
        (await session.execute(select(func.count()).where(Series.open_since.is_not(None)))).scalar_one()
    )
    events: list[Event] = []
    whole = await _whole(session, settings, waiting, clock)
    ended = await _held_by_ended(session, waiting, clock)
    for study_uid in sorted({*whole, *ended}):
        # Whoever holds the study is just bringing more of it: it can wait for the next second.
        if not await try_lock(session, "indexer", study_uid):
            continue
        uids = [*{*whole.get(study_uid, ()), *ended.get(study_uid, ())}]
        rows = await _series(session, uids)
        over = study_uid in ended and await accounted(session, store, study_uid)
        held = await associations.unfinished(session, uids, ended=not over)
        for series in rows:
            verdict = _decide(series, held, waiting, clock)
            if verdict is not Verdict.WAIT:
                metrics.ARRIVALS.labels(verdict.value).inc()
                events.append(await _arrived(session, series))
        await session.flush()
        events.extend(await _study_arrived(session, study_uid, clock))
    return events


async def _forget_the_future(session: AsyncSession, clock: Clock) -> None:
    """What was written down while a clock was far ahead: else it would be waited for until that time comes."""
    now = clock.now()
    nothing_read = {"synchronize_session": False}
    open_ones = update(Association).where(Association.finished_at.is_(None), Association.last_seen_at > now + AHEAD)
    await session.execute(open_ones.values(last_seen_at=now), execution_options=nothing_read)
    ahead = update(Series).where(Series.open_since.is_not(None), Series.last_instance_at > now + AHEAD)
    opened = case((Series.open_since > now, now), else_=Series.open_since)
    await session.execute(ahead.values(last_instance_at=now, open_since=opened), execution_options=nothing_read)


def _decide(series: Series, held: dict[str, int], waiting: Patience, clock: Clock) -> Verdict:
    if series.open_since is None:
        return Verdict.WAIT
    in_flight = InFlight(
        instances=series.instance_count,
        expected=series.expected,
        open_since=series.open_since,
        last_instance_at=series.last_instance_at,
        unfinished=held.get(series.series_instance_uid, 0),
    )
    return decide(in_flight, waiting, clock.now(), clock.listening_since)


async def _whole(
    session: AsyncSession, settings: IndexerSettings, waiting: Patience, clock: Clock
) -> dict[str, list[str]]:
    """Study -> its series that look whole: read without locks, decided again under the study's.

    Those that are held by an association stay out of the query, so that they cannot crowd out the others.
    """
    now = clock.now()
    held = exists().where(AssociationInstance.series_instance_uid == Series.series_instance_uid)
    query = (
        select(Series)
        .where(
            or_(
                and_(
                    ~held,
                    Series.last_instance_at <= now - timedelta(seconds=min(waiting.quiet, waiting.agreed)),
                ),
                Series.open_since <= now - timedelta(seconds=waiting.hard_limit),
            ),
            Series.open_since.is_not(None),
        )
        .order_by(Series.last_instance_at)
        .limit(settings.series_per_tick)
    )
    return await _by_study(session, query)


async def _held_by_ended(session: AsyncSession, waiting: Patience, clock: Clock) -> dict[str, list[str]]:
    """Study -> its quiet series that only ended associations hold: some, by the dice, so that all have a turn."""
    now = clock.now()
    if clock.listening() < (quiet := timedelta(seconds=waiting.quiet)):
        return {}
    query = (
        select(Series)
        .where(Series.open_since.is_not(None), Series.last_instance_at <= now - quiet)
        .where(associations.held_by_ended(now - timedelta(seconds=waiting.compare)))
        .order_by(func.random())
        .limit(LOOKED_AT)
    )
    return await _by_study(session, query)


async def _by_study(session: AsyncSession, query: Select[Series]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for series in (await session.execute(query)).scalars():
        found.setdefault(series.study_instance_uid, []).append(series.series_instance_uid)
    return found


async def _series(session: AsyncSession, uids: list[str]) -> Sequence[Series]:
    query = select(Series).where(Series.series_instance_uid.in_(uids)).order_by(Series.series_instance_uid)
    return (await session.execute(query, execution_options={"populate_existing": True})).scalars().all()


async def _arrived(session: AsyncSession, series: Series) -> SeriesArrived:
    """Count the instances in flight into the next revision."""
    revision = series.revision + 1
    new = await session.execute(
        update(Instance)
        .where(Instance.series_instance_uid == series.series_instance_uid, Instance.revision.is_(None))
        .values(revision=revision)
        .returning(Instance.sop_instance_uid),
        execution_options={"synchronize_session": False},
    )
    series.revision = revision
    series.open_since = None
    return SeriesArrived(
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        revision=revision,
        instances=len(new.all()),
        total=series.instance_count,
    )


async def _study_arrived(session: AsyncSession, study_uid: str, clock: Clock) -> list[Event]:
    counts = select(
        func.count(), func.count(Series.open_since), func.coalesce(func.sum(Series.instance_count), 0)
    ).where(Series.study_instance_uid == study_uid)
    series, open_, instances = (await session.execute(counts)).one()
    study = (
        await session.execute(
            select(Study).where(Study.study_instance_uid == study_uid),
            execution_options={"populate_existing": True},
        )
    ).scalar_one()
    if open_ or study.arrived_at is not None:
        return []
    study.arrived_at = clock.now()
    return [StudyArrived(study_instance_uid=study_uid, series=series, instances=instances)]
