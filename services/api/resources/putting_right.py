"""A study was assigned wrongly, or is not wanted any more: what was sent leaves, and goes where it belongs.

The api says so, once for an assignment; the router ends it, the sender takes back what was sent.
"""

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api import wishes
from services.api.actor import Actor, Who
from services.api.answers import Shape, example
from services.api.judging import manages
from services.api.needs import Ctx, EventName, Identity, Participant, ProjectName, Prose
from services.api.participation import NOT_ADMITTED, Belonging
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.resources.assignments import Wish, new_id, times_before
from services.api.resources.corrections import CorrectionItem, correction_item
from services.api.rows import get_row
from shared.bus import Message
from shared.crypto import Vault
from shared.events import AssignmentCorrected, Event, TransferCancelled
from shared.ledger import add
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, AssignmentWish, Correction, Transfer, Withdrawal
from shared.tables.base import new_id as fresh_id
from shared.tables.base import now

router = APIRouter(tags=["corrections"])
OVER = ("completed", "quarantined", "cancelled", "withdrawn")


class WhereTo(Shape):
    """To whom a study belongs instead, and why."""

    model_config = example(
        project="ABCD-study", participant="ABCD-0018", event="baseline", reason="mixed up with the next patient"
    )
    project: ProjectName
    participant: Participant = Field(description="the project's pseudonym")
    event: EventName = "Unknown"
    reason: Prose = Field(description="kept encrypted: people write names")


class Why(Shape):
    """Why something is not to go on."""

    model_config = example(reason="the wrong study was picked")
    reason: Prose = Field(description="kept encrypted: people write names")


@router.post(
    "/assignments/{identity}/correction",
    summary="Assign a study otherwise: another project, participant or event",
    status_code=202,
    responses=documented(
        "unknown-assignment",
        "unknown-project",
        "not-in-force",
        "correction-open",
        "nothing-to-correct",
        "assigned-otherwise",
        "project-inactive",
        "project-without-destination",
        "invalid-request",
        *NOT_ADMITTED,
    ),
)
async def correct(context: Ctx, who: Who, identity: Identity, wish: WhereTo, response: Response) -> CorrectionItem:
    """What was sent leaves its destinations first; then it is sent as what it is. Both is told by the withdrawal."""
    async with context.database.session() as session:
        old = await _in_force(session, identity)
        to = Wish(**wish.model_dump(exclude={"reason"}))
        await _check(session, context.vault, who, old, to)
        uid = old.study_instance_uid
        becomes = new_id(context.vault, uid, to, await times_before(session, uid, to.project))
        await wishes.keep(
            session, AssignmentWish(study_instance_uid=uid, assignment=becomes, by=who.name, **to.model_dump())
        )
        row = _correction(context, who, "correction", old.project, wish.reason)
        row.study_instance_uid, row.assignment, row.becomes = uid, old.id, becomes
        row.participant = old.participant
        event = AssignmentCorrected(
            correction=row.id, assignment=old.id, study_instance_uid=uid, becomes=becomes, **to.model_dump()
        )
        return await _said(context, session, who, row, event, response)


@router.post(
    "/assignments/{identity}/cancel",
    summary="End an assignment: the study belongs to nobody in the project any more",
    status_code=202,
    responses=documented("unknown-assignment", "not-in-force", "correction-open", "invalid-request"),
)
async def cancel_assignment(context: Ctx, who: Who, identity: Identity, why: Why, response: Response) -> CorrectionItem:
    """What was sent leaves its destinations; what is under way stops."""
    async with context.database.session() as session:
        old = await _in_force(session, identity)
        row = _correction(context, who, "cancel", old.project, why.reason)
        row.study_instance_uid, row.assignment, row.participant = old.study_instance_uid, old.id, old.participant
        event = AssignmentCorrected(correction=row.id, assignment=old.id, study_instance_uid=old.study_instance_uid)
        return await _said(context, session, who, row, event, response)


@router.post(
    "/transfers/{identity}/cancel",
    summary="Stop a transfer that is not complete",
    status_code=202,
    responses=documented("unknown-transfer", "transfer-ended", "invalid-request"),
)
async def cancel_transfer(context: Ctx, who: Who, identity: Identity, why: Why, response: Response) -> CorrectionItem:
    """What of it was sent already leaves its destinations; the assignment stays in force, and a resend is possible."""
    async with context.database.session() as session:
        transfer = await get_row(session, Transfer, identity)
        if transfer.state in OVER:
            raise Problem("transfer-ended", f"it is {transfer.state}")
        row = _correction(context, who, "cancel", transfer.project, why.reason)
        row.study_instance_uid, row.transfer = transfer.study_instance_uid, transfer.id
        row.participant = transfer.participant
        return await _said(
            context, session, who, row, TransferCancelled(correction=row.id, transfer=transfer.id), response
        )


async def _in_force(session: AsyncSession, identity: str) -> Assignment:
    """The assignment, which nobody else can end until the transaction is over; a problem when somebody has."""
    row = await get_row(session, Assignment, identity)
    await wishes.hold(session, row.study_instance_uid)
    await session.refresh(row)
    if not row.in_force:
        raise Problem("not-in-force")
    decided = exists().where(Withdrawal.id == Correction.id)
    pending = select(Correction.id).where(Correction.assignment == identity, ~decided)
    if await session.scalar(pending.limit(1)) is not None:
        raise Problem("correction-open")
    return row


async def _check(session: AsyncSession, vault: Vault, who: Actor, old: Assignment, to: Wish) -> None:
    """A problem unless the study can belong there, and whoever says so manages that project, too."""
    if not manages(who, to.project):
        raise Problem("unknown-project")
    project = await get_project(session, to.project)
    if (old.project, old.participant, old.event) == (to.project, to.participant, to.event):
        raise Problem("nothing-to-correct")
    if to.project != old.project:
        uid = old.study_instance_uid
        there = await wishes.in_force(session, uid, to.project) or await wishes.undecided(session, uid, to.project)
        if there is not None:
            raise wishes.otherwise(who, there)
    if why := open_for_transfers(project, today()):
        raise Problem("project-inactive", why)
    if not project.destinations:
        raise Problem("project-without-destination")
    belonging = Belonging(session, vault, who, project, old.study_instance_uid)
    await belonging.admit(to.participant, to.event)


def _correction(context: Ctx, who: Actor, kind: str, project: str, reason: str) -> Correction:
    return Correction(
        id=fresh_id(),
        kind=kind,
        project=project,
        by=who.name,
        reason=context.vault.encrypt(reason),
        created_at=now(),
    )


async def _said(
    context: Ctx, session: AsyncSession, who: Actor, row: Correction, event: Event, response: Response
) -> CorrectionItem:
    """Take it down and owe the bus the event, in one transaction."""
    session.add(row)
    await add(session, [Message.of(event)])
    await session.flush()
    context.relay.wake()
    response.headers["Location"] = f"/api/v1/withdrawals/{row.id}"
    return correction_item(context.vault, who, row)
