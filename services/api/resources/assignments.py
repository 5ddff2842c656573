"""Assignments: a person says to whom a study belongs; the router takes it from there.

The api writes no assignment. It gives out the id under which the router will, and owes the bus the event. The
id follows from what was asked, so that asking twice is asking once; and it proves itself, so that an id which
nobody gave out is not called pending for ever.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api import participation, wishes
from services.api.actor import Actor, Who
from services.api.answers import Shape, example
from services.api.judging import sees
from services.api.needs import Ctx, EventName, Participant, ProjectName, Site, Uid
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.sight import find_study, within
from services.api.sites import is_theirs
from shared.bus import Message
from shared.crypto import Vault
from shared.events import StudyAssigned
from shared.ledger import add
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, AssignmentWish

router = APIRouter(tags=["assignments"])


class AssignmentRequest(Shape):
    """To whom a study belongs."""

    model_config = example(project="ABCD-study", participant="ABCD-0017", event="baseline")
    project: ProjectName
    participant: Participant | None = Field(
        default=None, description="the project's pseudonym; null: the one that it makes up for the patient"
    )
    event: EventName = "Unknown"
    site: Site | None = Field(default=None, description="data access group of a new participant; null: one's own")


class Wish(Shape):
    """What is asked for, when it is known as whom the patient is in the project."""

    project: str
    participant: str
    event: str


class AssignmentState(Shape):
    """How far an assignment is."""

    model_config = example(
        id="6f1de0f5-53d6-8f0e-a36f-4a6dd1a5a001",
        state="pending",
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        project="ABCD-study",
        participant="ABCD-0017",
        event="baseline",
        reason="person",
        refused=None,
        waits_for=None,
        created_at=None,
        ended_at=None,
        ended_by=None,
    )
    id: str
    state: Literal["pending", "in_force", "refused", "ended"] = Field(
        description="pending: said, and not yet with the router"
    )
    study_instance_uid: str | None = None
    project: str | None = None
    participant: str | None = None
    event: str | None = None
    reason: str | None = None
    refused: str | None = Field(default=None, description="why it was not taken")
    waits_for: str | None = Field(default=None, description="the withdrawal that has to be done before it is sent")
    created_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = Field(default=None, description="the correction that ended it")


def new_id(vault: Vault, study_uid: str, wish: Wish, refused_before: int) -> str:
    """The id of this very wish: its own hash, and a hash of that which only we can make.

    After a refusal the same wish is a new one.
    """
    said = vault.hash("assignment", study_uid, wish.project, wish.participant, wish.event, str(refused_before))
    return str(UUID(hex=said[:16] + vault.hash("assignment id", said[:16])[:16]))


def given_out(vault: Vault, identity: UUID) -> bool:
    """Whether an id is one of ours."""
    return vault.hash("assignment id", identity.hex[:16])[:16] == identity.hex[16:]


@router.post(
    "/studies/{uid}/assignments",
    summary="Assign a study to a project's participant",
    status_code=202,
    responses={
        200: {"model": AssignmentState, "description": "It is assigned like that already"},
        **documented(
            "unknown-study",
            "unknown-project",
            "assigned-otherwise",
            "project-inactive",
            "project-without-destination",
            "invalid-request",
            "no-auto-id",
            *participation.NOT_ADMITTED,
        ),
    },
)
async def assign(context: Ctx, who: Who, uid: Uid, asked: AssignmentRequest, response: Response) -> AssignmentState:
    """Taken down durably and handed to the router; ask for the id to see what it said."""
    async with context.database.session() as session:
        await find_study(session, who, uid)
        await wishes.hold(session, uid)
        project = await get_project(session, asked.project)
        belonging = participation.Belonging(session, context.vault, who, project, uid, asked.site)
        participant = asked.participant or await belonging.made_up()
        wish = Wish(project=project.name, participant=participant, event=asked.event)
        said = wish.participant, wish.event
        if (there := await wishes.in_force(session, uid, wish.project)) is not None:
            if not wishes.same(there, said) or not await is_theirs(session, who, there.project, there.participant):
                raise wishes.otherwise(who, there)
            response.status_code = 200
            return _state(there)
        if (first := await wishes.undecided(session, uid, wish.project)) is not None:
            if not wishes.same(first, said) or not await is_theirs(session, who, first.project, first.participant):
                raise wishes.otherwise(who, first)
            return pending(uid, first.assignment, wish)
        if why := open_for_transfers(project, today()):
            raise Problem("project-inactive", why)
        if not project.destinations:
            raise Problem("project-without-destination")
        await belonging.admit(participant, wish.event, made_up=asked.participant is None)
        identity = new_id(context.vault, uid, wish, await times_before(session, uid, wish.project))
        await wishes.keep(
            session,
            AssignmentWish(study_instance_uid=uid, assignment=identity, by=who.name, **wish.model_dump()),
        )
        event = StudyAssigned(assignment=identity, study_instance_uid=uid, **wish.model_dump())
        await add(session, [Message.of(event)])
    context.relay.wake()
    return pending(uid, identity, wish)


@router.get(
    "/assignments/{identity}",
    summary="How far an assignment is",
    responses=documented("unknown-assignment"),
)
async def show_assignment(context: Ctx, who: Who, identity: UUID) -> AssignmentState:
    """Pending until the router has it; then in force or refused, and ended by a correction."""
    async with context.database.reading() as session:
        row = await session.get(Assignment, str(identity))
        if row is not None:
            if not await _in_sight(session, who, row):
                raise Problem("unknown-assignment")
            return _state(row)
        if not given_out(context.vault, identity):
            raise Problem("unknown-assignment")
        if await wishes.handled(session, str(identity)):
            # The router found the same in force for another reason and had no need to write this one down.
            return AssignmentState(id=str(identity), state="in_force")
    return AssignmentState(id=str(identity), state="pending")


async def _in_sight(session: AsyncSession, who: Actor, row: Assignment) -> bool:
    """Whether one may see it; one that was refused names nobody."""
    projects = sees("show_assignment", who)
    if projects is None or not within(row.project, projects):
        return projects is None
    return bool(row.refused) or await is_theirs(session, who, row.project, row.participant)


def pending(uid: str, identity: str, wish: Wish) -> AssignmentState:
    """What was wished for and is not decided yet."""
    return AssignmentState(id=identity, state="pending", study_instance_uid=uid, reason="person", **wish.model_dump())


def _state(row: Assignment) -> AssignmentState:
    return AssignmentState(
        id=row.id,
        state="refused" if row.refused else "ended" if row.ended_at else "in_force",
        study_instance_uid=row.study_instance_uid,
        project=row.project,
        participant=row.participant,
        event=row.event,
        reason=row.reason,
        refused=row.refused,
        waits_for=row.waits_for,
        created_at=row.created_at,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


async def times_before(session: AsyncSession, study_uid: str, project: str) -> int:
    """How often the study was refused or ended in the project: the same wish after that is a new one."""
    query = select(func.count()).where(
        Assignment.study_instance_uid == study_uid, Assignment.project == project, ~Assignment.in_force
    )
    return await session.scalar(query) or 0
