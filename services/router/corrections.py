"""A study does not belong there: its assignment ends, and what was sent because of it is taken back."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.router import withdrawals
from services.router.withdrawals import settle, take_back
from shared.events import AssignmentCorrected, Event, TransferCancelled
from shared.tables import Assignment, Transfer, Withdrawal
from shared.tables.base import now
from shared.transfers import STOPPED

ENDED = ("completed", "quarantined", *STOPPED)
"""States in which there is nothing to cancel: what is complete is corrected by its assignment."""

NOT_IN_FORCE = "the assignment is not in force any more"
TOO_LATE = "the transfer has ended before"


async def end(
    session: AsyncSession, assignment: Assignment, event: AssignmentCorrected, derived: Sequence[Assignment] = ()
) -> list[Event]:
    """End an assignment, and those of what is derived from its study; all that was sent because of them is to leave."""
    withdrawal = Withdrawal(
        id=event.correction,
        kind="correction" if event.becomes else "cancel",
        project=assignment.project,
        participant=assignment.participant,
        study_instance_uid=assignment.study_instance_uid,
        state="under_way",
    )
    events = await withdrawals.end(session, withdrawal, [assignment, *derived])
    return [*events, *await settle(session, withdrawal)]


def refused(event: AssignmentCorrected, old: Assignment | None, why: str) -> Withdrawal:
    """A correction that changes nothing, and why."""
    return Withdrawal(
        id=event.correction,
        kind="correction" if event.becomes else "cancel",
        project=old.project if old else event.project,
        participant=old.participant if old else "",
        study_instance_uid=event.study_instance_uid,
        state="refused",
        why=why,
        finished_at=now(),
    )


async def cancel(session: AsyncSession, event: TransferCancelled, transfer: Transfer) -> list[Event]:
    """Stop a transfer, and take back what has left already; its assignment stays in force."""
    withdrawal = Withdrawal(
        id=event.correction,
        kind="cancel",
        project=transfer.project,
        participant=transfer.participant,
        study_instance_uid=transfer.study_instance_uid,
        state="under_way",
    )
    if transfer.state in ENDED:
        withdrawal.state, withdrawal.why, withdrawal.finished_at = "refused", TOO_LATE, now()
        session.add(withdrawal)
        return []
    asked = await take_back(session, withdrawal, [transfer])
    return [*asked, *await settle(session, withdrawal)]
