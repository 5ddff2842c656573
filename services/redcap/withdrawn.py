"""What is kept here of places in REDCap goes with what was taken back, or with a consent; what stands there is said.

Nothing is ever removed from REDCap by a program: the record and its images are for a person, and each comparison lists
what is still there until somebody has removed it.
"""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.tokens import INCOMING
from shared.events import RemovalRequested
from shared.tables import (
    RedcapDifference,
    RedcapInstance,
    RedcapOwed,
    RedcapResult,
    RedcapTarget,
    Transfer,
    Withdrawal,
)


async def used(session: AsyncSession) -> bool:
    """Whether there is, or was, a REDCap project that is written to."""
    return bool(await session.scalar(select(exists().where(RedcapTarget.project.is_not(None)))))


def _images(transfers: Collection[str]) -> ColumnElement[bool]:
    """What is owed of the images of these."""
    return and_(RedcapOwed.kind == "imaging", RedcapOwed.subject.in_(transfers))


async def forget_taken_back(session: AsyncSession, transfers: Collection[str]) -> None:
    """What the studies of these transfers say of themselves. No consent would find it later.

    Where it stands in REDCap stays known: it may be sent there again, and the participant is still in the project.
    """
    await session.execute(delete(RedcapResult).where(RedcapResult.transfer.in_(transfers)))
    await session.execute(delete(RedcapOwed).where(_images(transfers)))


async def forget(session: AsyncSession, event: RemovalRequested) -> tuple[Counter[str], Counter[str]]:
    """What was removed here, and what is left in REDCap. A second time finds nothing."""
    withdrawal = await session.get(Withdrawal, event.withdrawal)
    participant = withdrawal.participant if withdrawal is not None else ""
    results = delete(RedcapResult).where(RedcapResult.transfer.in_(event.transfers))
    sent = set(await session.scalars(results.returning(RedcapResult.study_instance_uid)))
    removed = Counter({"studies as they are called there": len(sent)})
    called = select(Transfer.target_study_instance_uid).where(Transfer.id.in_(event.transfers))
    sent.update(uid for uid in await session.scalars(called) if uid is not None)

    # What was sent under a wrong name stands in the wrong participant's record.
    theirs = or_(RedcapInstance.record == participant, RedcapInstance.subject.in_(sent))
    places = delete(RedcapInstance).where(RedcapInstance.project == event.project, theirs)
    images = len((await session.execute(places.returning(RedcapInstance.subject))).all())
    removed["places in REDCap"] = images

    of_them = or_(
        and_(RedcapOwed.kind == "participant", RedcapOwed.subject == participant),
        _images(event.transfers),
    )
    owed = delete(RedcapOwed).where(RedcapOwed.project == event.project, of_them)
    removed["what REDCap was owed"] = len((await session.execute(owed.returning(RedcapOwed.subject))).all())

    named = or_(
        RedcapDifference.subject.in_({participant, *sent, *event.transfers}),
        RedcapDifference.what.contains(f" in record {participant}: ", autoescape=True),
    )
    differences = delete(RedcapDifference).where(RedcapDifference.project == event.project, named)
    removed["differences"] = len((await session.execute(differences.returning(RedcapDifference.id))).all())
    return removed, await _left(session, event, images)


async def _left(session: AsyncSession, event: RemovalRequested, images: int) -> Counter[str]:
    """What a person has to look for: in the project's own REDCap project, and in Incoming."""
    left = Counter[str]()
    if images or await session.get(RedcapTarget, event.project) is not None:
        left |= Counter({"records in REDCap": 1, "images in REDCap": images})
    told = RedcapInstance.project == INCOMING, RedcapInstance.subject.in_(event.transfers)
    left["transfers in Incoming"] = await session.scalar(select(func.count()).where(*told)) or 0
    return +left
