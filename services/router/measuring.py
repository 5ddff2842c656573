"""How far transfers are, for Prometheus."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.metrics import ENDED, OLDEST, QUARANTINED, SECONDS, UNDER_WAY
from shared.ledger import lineage
from shared.tables import QuarantinedInstance, ReviewedInstance, Transfer
from shared.tables.base import now

TRACES_KEPT = timedelta(days=30)
STATES = ("requested", "anonymizing", "sending", "verifying")


async def measure(session: AsyncSession) -> None:
    """Set the gauges to what is true now."""
    query = select(Transfer.state, func.count(), func.min(Transfer.requested_at))
    rows = await session.execute(query.where(Transfer.state.in_(STATES)).group_by(Transfer.state))
    found = {state: (count, oldest) for state, count, oldest in rows}
    for state in STATES:
        count, oldest = found.get(state, (0, None))
        UNDER_WAY.labels(state).set(count)
        OLDEST.labels(state).set(max(0.0, (now() - oldest).total_seconds()) if oldest is not None else 0)
    quarantined = await session.scalar(select(func.count()).select_from(QuarantinedInstance)) or 0
    reviewed = await session.scalar(select(func.count()).select_from(ReviewedInstance)) or 0
    QUARANTINED.set(quarantined - reviewed)


def ended(transfer: Transfer) -> None:
    """A transfer has come to its end."""
    ENDED.labels(transfer.state).inc()
    if transfer.finished_at is not None and transfer.requested_at is not None:
        SECONDS.labels(transfer.state).observe(max(0.0, (transfer.finished_at - transfer.requested_at).total_seconds()))


async def forget_traces(session: AsyncSession) -> None:
    """Of images that came so long ago that what happens to them now is another story."""
    await lineage.forget(session, now() - TRACES_KEPT)
