"""What people may want to hear of at once, noted in the transaction in which it became so.

A change says what sort of thing has changed and which; what is true of it now stands in the tables. It is noted where
an event leaves the service whose tables tell of it, or where the router has done with one. (ADR 19.)
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncSession

from shared import events
from shared.bus.message import Message
from shared.tables import Change

Told = tuple[tuple[str, str], ...]
"""What has changed: its sort, and the event's field that names it."""

STUDY: Final[Told] = (("study", "study_instance_uid"),)
ASSIGNMENT: Final[Told] = (("assignment", "study_instance_uid"),)
TRANSFER: Final[Told] = (("transfer", "transfer"),)
QUARANTINE: Final[Told] = (*TRANSFER, ("quarantine", "transfer"))

LEAVING: Final[Mapping[str, Told]] = {
    events.SeriesArrived.name: STUDY,
    events.StudyArrived.name: STUDY,
    events.TransferRequested.name: TRANSFER,
    events.AssignmentEnded.name: ASSIGNMENT,
    events.WithdrawalRequested.name: TRANSFER,
}
"""Events that say, as they leave, what their service has just written."""

DONE: Final[Mapping[tuple[str, type[events.Event]], Told]] = {
    ("router", events.StudyArrived): ASSIGNMENT,
    ("router", events.StudyAssigned): ASSIGNMENT,
    ("router", events.SeriesAnonymized): QUARANTINE,
    ("router", events.SeriesDelivered): TRANSFER,
    ("router", events.TransferCompleted): QUARANTINE,
    ("router", events.TransferFailed): TRANSFER,
    ("router", events.QuarantineReviewed): QUARANTINE,
    ("router", events.AssignmentCorrected): ASSIGNMENT,
    ("router", events.TransferCancelled): TRANSFER,
    ("router", events.WithdrawalAnswered): TRANSFER,
    ("router", events.WithdrawalConfirmed): TRANSFER,
    ("router", events.WithdrawalRetried): TRANSFER,
}
"""Events that have changed something once a service has handled them."""


async def leaving(session: AsyncSession, owed: Iterable[Message]) -> None:
    """Note what messages say that are about to be owed to the bus."""
    await _note(session, ((each.event(), LEAVING[each.name]) for each in owed if each.name in LEAVING))


async def done(session: AsyncSession, service: str, event: events.Event) -> None:
    """Note what a service has changed by handling an event."""
    await _note(session, [(event, DONE.get((service, type(event)), ()))])


async def forget(session: AsyncSession, before: datetime) -> None:
    """Changes that nobody resumes from any more."""
    await session.execute(delete(Change).where(Change.at < before))


async def _note(session: AsyncSession, told: Iterable[tuple[events.Event, Told]]) -> None:
    real = [(event, sorts) for event, sorts in told if not getattr(event, "heartbeat", None)]
    changes = {(sort, getattr(event, field)) for event, sorts in real for sort, field in sorts}
    if changes:
        await session.execute(insert(Change), [{"sort": sort, "subject": which} for sort, which in sorted(changes)])
