"""After consent was withdrawn: what the services are asked to remove here, once the destinations have answered."""

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.events import Event, RemovalRequested
from shared.tables import Assignment, RedcapTarget, Removal, Transfer, Withdrawal
from shared.transfers import STOPPED

SERVICES = ("anonymizer", "indexer", "registry", "sender")
"""Who has something of a participant, beside the api, which has removed its own when it was asked."""

REDCAP = "redcap"
"""Has, too, where REDCap is written to."""


async def wanting(session: AsyncSession, withdrawal: Withdrawal) -> list[Event] | None:
    """What is still to be asked for, or nothing while answers are awaited; None when all have answered."""
    found = await session.scalars(select(Removal).where(Removal.withdrawal == withdrawal.id))
    rows = {row.service: row for row in found}
    if any(service in rows for service in SERVICES):
        return None if all(row.answered_at for row in rows.values()) else []
    services = [*SERVICES, REDCAP] if await _tells_redcap(session) else SERVICES
    session.add_all(Removal(withdrawal=withdrawal.id, service=service) for service in services)
    await session.flush()
    studies = await session.scalars(_studies(withdrawal).order_by(Assignment.study_instance_uid))
    transfers = await session.scalars(transfers_of(withdrawal).order_by(Transfer.id))
    return [
        RemovalRequested(
            withdrawal=withdrawal.id,
            project=withdrawal.project,
            transfers=tuple(transfers),
            studies=tuple(studies),
        )
    ]


async def _tells_redcap(session: AsyncSession) -> bool:
    return bool(await session.scalar(select(exists().where(RedcapTarget.configured.is_(True)))))


def transfers_of(consent: Withdrawal) -> Select[str]:
    """What was sent of the participant, and of their studies under a wrong name: it was corrected, and is of the same
    person."""
    corrected = and_(Transfer.study_instance_uid.in_(_studies(consent)), Transfer.state.in_(STOPPED))
    theirs = or_(Transfer.participant == consent.participant, corrected)
    return select(Transfer.id).where(Transfer.project == consent.project, theirs)


def _studies(consent: Withdrawal) -> Select[str]:
    """The studies that were the participant's until now."""
    return select(Assignment.study_instance_uid).where(Assignment.ended_by == consent.id).distinct()
