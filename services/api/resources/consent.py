"""Withdrawal of consent: one action after which a participant is neither here nor at the destinations."""

from fastapi import APIRouter, Response
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.needs import Ctx, Participant, ProjectName
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.resources.corrections import CorrectionItem, correction_item
from services.api.resources.putting_right import Why
from shared.bus import Message
from shared.database import lock
from shared.events import ParticipantWithdrawn
from shared.ledger import add
from shared.registry.coupling import patients_named
from shared.registry.made_up import keep
from shared.registry.participants import ensure_participant, withdraw_participant
from shared.tables import (
    AssignmentWish,
    Correction,
    CouplingEntry,
    QuarantineReview,
    ReviewedInstance,
    Transfer,
)
from shared.tables import Participant as ParticipantRow
from shared.tables.base import new_id, now

router = APIRouter(tags=["corrections"])


@router.post(
    "/projects/{name}/participants/{participant:path}/withdrawal",
    summary="Withdraw a participant's consent: everything of them goes",
    status_code=202,
    responses=documented("unknown-project", "unknown-participant", "already-withdrawn", "invalid-request"),
)
async def withdraw_consent(
    context: Ctx, who: Who, name: ProjectName, participant: Participant, why: Why, response: Response
) -> CorrectionItem:
    """No study comes any more, what was sent is taken back, what is here is removed; the withdrawal tells it all.

    Whoever is only in a coupling list, for images that are still to come, is a participant who may withdraw, too.
    """
    async with context.database.session() as session:
        await get_project(session, name)
        await lock(session, "auto-id", name)  # whoever makes up a participant takes both, in this order
        await lock(session, "coupling", name)  # no list that was checked before names the participant after it
        listed = CouplingEntry.project == name, CouplingEntry.participant == participant
        entries = (await session.scalars(select(CouplingEntry).where(*listed))).all()
        if entries:
            await ensure_participant(session, name, participant, origin="coupling")
        elif await session.get(ParticipantRow, (name, participant)) is None:
            raise Problem("unknown-participant")
        if not await withdraw_participant(session, name, participant):
            raise Problem("already-withdrawn")
        await keep(session, context.vault, name, participant, await patients_named(session, context.vault, entries))
        removed = await _remove_own(session, name, participant)
        row = Correction(
            id=new_id(),
            kind="consent",
            project=name,
            participant=participant,
            by=who.name,
            reason=context.vault.encrypt(why.reason),
            created_at=now(),
        )
        session.add(row)
        event = ParticipantWithdrawn(withdrawal=row.id, project=name, participant=participant, removed=removed)
        await add(session, [Message.of(event)])
        await session.flush()
        item = correction_item(context.vault, who, row)
    context.relay.wake()
    response.headers["Location"] = f"/api/v1/withdrawals/{item.id}"
    return item


async def _remove_own(session: AsyncSession, project: str, participant: str) -> dict[str, int]:
    """What the api has of the participant: coupling entries, wishes, and what people said in reviews."""
    transfers = select(Transfer.id).where(Transfer.project == project, Transfer.participant == participant)
    gone = {
        "coupling entries": delete(CouplingEntry)
        .where(CouplingEntry.project == project, CouplingEntry.participant == participant)
        .returning(CouplingEntry.id),
        "wishes": delete(AssignmentWish)
        .where(AssignmentWish.project == project, AssignmentWish.participant == participant)
        .returning(AssignmentWish.assignment),
        "reviewed instances": delete(ReviewedInstance)
        .where(ReviewedInstance.transfer.in_(transfers))
        .returning(ReviewedInstance.sop_instance_uid),
        "reviews": delete(QuarantineReview)
        .where(QuarantineReview.transfer.in_(transfers))
        .returning(QuarantineReview.id),
    }
    return {what: len((await session.execute(statement)).all()) for what, statement in gone.items()}
