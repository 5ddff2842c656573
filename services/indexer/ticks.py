"""Every second: which series are whole, and which studies with them."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.indexer import associations, metrics
from services.indexer.arrival import InFlight, Patience, Verdict, decide
from services.indexer.clock import Clock
from services.indexer.settings import IndexerSettings
from shared.database import try_lock
from shared.events import Event, SeriesArrived, StudyArrived
from shared.tables import AssociationInstance, Instance, Series, Study


def patience(settings: IndexerSettings) -> Patience:
    """The settings, as the decision takes them."""
    return Patience(
        quiet=settings.quiet_seconds,
        agreed=settings.quiet_agreed_seconds,
        hard_limit=settings.hard_limit_seconds,
        give_up=settings.give_up_seconds,
    )


async def arrive(session: AsyncSession, settings: IndexerSettings, clock: Clock) -> Sequence[Event]:
    """Publish the series that are whole, and the studies that have no other open series."""
    waiting = patience(settings)
    await associations.give_up(session, waiting, clock)
    metrics.OPEN_SERIES.set(
        (await session.execute(select(func.count()).where(Series.open_since.is_not(None)))).scalar_one()
    )
    events: list[Event] = []
    for study_uid, uids in (await _whole(session, settings, waiting, clock)).items():
        # Whoever holds the study is just bringing more of it: it can wait for the next second.
        if not await try_lock(session, "indexer", study_uid):
            continue
        rows = await _series(session, uids)
        held = await associations.unfinished(session, uids)
        for series in rows:
            verdict = _decide(series, held, waiting, clock)
            if verdict is not Verdict.WAIT:
                metrics.ARRIVALS.labels(verdict.value).inc()
                events.append(await _arrived(session, series))
        await session.flush()
        events.extend(await _study_arrived(session, study_uid, clock))
    return events


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
    found: dict[str, list[str]] = {}
    for series in (await session.execute(query)).scalars():
        found.setdefault(series.study_instance_uid, []).append(series.series_instance_uid)
    return dict(sorted(found.items()))


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
