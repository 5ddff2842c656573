"""What a person has decided about quarantined instances: some are asked for again, and at last nothing waits."""

from collections import Counter

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.router.transfers import Part, request
from shared.events import QuarantineReviewed, TransferRequested
from shared.tables import (
    Assignment,
    QuarantinedInstance,
    QuarantineReview,
    ReviewedInstance,
    Transfer,
)

AGAIN = ("release", "repeat")
WORDS = {"release": "released", "repeat": "repeated", "drop": "dropped"}


async def ask_again(session: AsyncSession, event: QuarantineReviewed, old: Transfer) -> list[TransferRequested]:
    """A transfer of what a review lets go on, to where the old one went; at most one for each review."""
    asked = select(Transfer.id).where(Transfer.review == event.review)
    if event.decision not in AGAIN or await session.scalar(asked) is not None:
        return []
    parts = await _parts(session, event.review)
    if not parts:
        return []
    assignment = await session.get_one(Assignment, old.assignment)
    if not assignment.in_force:
        return []
    return await request(session, assignment, old.destinations, parts, f"review {event.review}", event.review)


async def settle(session: AsyncSession, transfer: Transfer, quarantined: int) -> None:
    """A transfer of which everything else is there is complete when somebody has decided about all in quarantine."""
    decisions = await _decisions(session, transfer.id)
    waiting = quarantined - decisions.total()
    reviewed = ", ".join(f"{decisions[each]} {word}" for each, word in WORDS.items() if decisions[each])
    if waiting > 0:
        transfer.state = "quarantined"
        transfer.error = f"{waiting} in quarantine" + (f", {reviewed}" if reviewed else "")
    else:
        transfer.state, transfer.error = "completed", f"{decisions.total()} reviewed in quarantine: {reviewed}"


async def quarantined(session: AsyncSession, transfer: str) -> int:
    """How many instances of a transfer are in quarantine, decided about or not."""
    query = select(func.count()).select_from(QuarantinedInstance).where(QuarantinedInstance.transfer == transfer)
    return await session.scalar(query) or 0


async def _parts(session: AsyncSession, review: str) -> list[Part]:
    of = ReviewedInstance.series_instance_uid, ReviewedInstance.revision
    query = select(*of, func.count()).where(ReviewedInstance.review == review).group_by(*of).order_by(*of)
    return [(series, revision, count) for series, revision, count in await session.execute(query)]


async def _decisions(session: AsyncSession, transfer: str) -> Counter[str]:
    """How many instances of a transfer were released, repeated and dropped."""
    query = (
        select(QuarantineReview.decision, func.count())
        .join(ReviewedInstance, ReviewedInstance.review == QuarantineReview.id)
        .where(ReviewedInstance.transfer == transfer)
        .group_by(QuarantineReview.decision)
    )
    return Counter(dict((await session.execute(query)).all()))
