"""A participant's consent was withdrawn: assignments end, what was sent is taken back, and what is here goes."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.locks import hold
from services.router.withdrawals import end, settle, wait_for_answers
from shared.crypto import Vault
from shared.database import lock
from shared.events import Event, ParticipantWithdrawn
from shared.handlers import Retry
from shared.registry.made_up import keep
from shared.tables import Assignment, Removal, Study, Withdrawal
from shared.tables.base import now


async def withdraw(session: AsyncSession, event: ParticipantWithdrawn, vault: Vault) -> list[Event]:
    """End, stop and take back; what is here is removed when the destinations have answered.

    Whose the studies were is kept as a keyed hash: else a project that makes up participants would take the next study
    as somebody new's.
    """
    if await session.get(Withdrawal, event.withdrawal) is not None:
        return []
    assignments = await _of(session, event)
    studies = {each.study_instance_uid for each in assignments}
    await hold(session, *studies)
    patients = await session.scalars(select(Study.patient).where(Study.study_instance_uid.in_(studies)))
    await keep(session, vault, event.project, event.participant, patients)
    await lock(session, "participant", event.project, event.participant)
    if {each.id for each in await _of(session, event)} != {each.id for each in assignments}:
        raise Retry("a study of the participant was just being assigned", delay=1)
    withdrawal = Withdrawal(
        id=event.withdrawal,
        kind="consent",
        project=event.project,
        participant=event.participant,
        state="under_way",
    )
    events = await end(session, withdrawal, assignments)
    await wait_for_answers(session, withdrawal)
    own = Removal(withdrawal=withdrawal.id, service="api", removed=event.removed, answered_at=now())
    session.add(own)
    return [*events, *await settle(session, withdrawal)]


async def _of(session: AsyncSession, event: ParticipantWithdrawn) -> Sequence[Assignment]:
    """What belongs to the participant now."""
    query = (
        select(Assignment)
        .where(Assignment.project == event.project, Assignment.participant == event.participant, Assignment.in_force)
        .order_by(Assignment.study_instance_uid)
    )
    return (await session.scalars(query, execution_options={"populate_existing": True})).all()
