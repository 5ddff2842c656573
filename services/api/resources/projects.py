"""Projects: who may be in one, where its studies go; its key is made here and leaves encrypted only."""

import re
import secrets
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import Field, field_validator
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, EventName, Expression, Limit, Name, Offset, ProjectName
from services.api.problems import FieldError, Problem, documented, invalid
from shared.database import insert_new
from shared.tables import Assignment, Destination, Participant, Project, Transfer
from shared.tables.base import now

router = APIRouter(tags=["projects"])
KEY_BYTES = 32

EXAMPLE = {
    "name": "ABCD-study",
    "description": "A brain cohort",
    "participant_pattern": r"ABCD-\d{4}",
    "events": ["baseline", "year1"],
    "destinations": ["research-pacs"],
    "profile": "basic",
}


class NewProject(Shape):
    """A project to be made."""

    model_config = example(**EXAMPLE)
    name: ProjectName
    description: str = Field(default="", max_length=200)
    participant_pattern: Expression = Field(
        default=".+", description="a participant's whole name has to fit this regular expression"
    )
    events: list[EventName] = Field(default=[], max_length=200, description="empty: any")
    destinations: list[Name] = Field(default=[], max_length=20)
    profile: Literal["basic"] = Field(default="basic", description="PS3.15 E.1")

    @field_validator("events", "destinations")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("names something twice")
        return names


class ProjectItem(Shape):
    """A project."""

    model_config = example(**EXAMPLE, active=True, created_at="2026-01-01T08:00:00Z")
    name: str
    description: str
    participant_pattern: str
    events: list[str]
    destinations: list[str]
    profile: str
    active: bool
    created_at: datetime


class ProjectDetail(ProjectItem):
    """A project and what is in it."""

    model_config = example(
        **EXAMPLE,
        active=True,
        created_at="2026-01-01T08:00:00Z",
        participants=12,
        studies=20,
        transfers={"completed": 19, "sending": 1},
    )
    participants: int
    studies: int
    transfers: dict[str, int] = Field(description="by state")


class ParticipantItem(Shape):
    """A pseudonym that a project uses."""

    model_config = example(name="ABCD-0017", studies=2, created_at="2026-01-02T10:33:00Z")
    name: str
    studies: int
    created_at: datetime


async def get_project(session: AsyncSession, name: str) -> Project:
    """The project; a problem when there is none."""
    project = await session.get(Project, name)
    if project is None:
        raise Problem("unknown-project")
    return project


def check_participation(project: Project, participant: str, event: str) -> None:
    """A problem unless the project takes such a participant at such an event."""
    if not re.fullmatch(project.participant_pattern, participant):
        raise Problem("participant-not-allowed", f"the whole name has to fit {project.participant_pattern}")
    if project.events and event not in project.events:
        raise Problem("event-not-allowed", f"there are: {', '.join(project.events)}")


@router.get("/projects", summary="Projects by name")
async def list_projects(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[ProjectItem]:
    """All of them, active or not."""
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(Project)) or 0
        rows = await session.scalars(select(Project).order_by(Project.name).limit(limit).offset(offset))
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/projects",
    summary="Make a project",
    status_code=201,
    responses=documented("project-exists", "invalid-request"),
)
async def make_project(context: Ctx, wish: NewProject, response: Response) -> ProjectItem:
    """Its key, from which its pseudonyms follow, is made now and never again."""
    values = wish.model_dump() | {
        "encrypted_key": context.vault.encrypt(secrets.token_bytes(KEY_BYTES)),
        "active": True,
        "created_at": now(),
    }
    async with context.database.session() as session:
        known = set(await session.scalars(select(Destination.name).where(Destination.name.in_(wish.destinations))))
        unknown = [i for i, name in enumerate(wish.destinations) if name not in known]
        if unknown:
            raise invalid(
                *(
                    FieldError(loc=["body", "destinations", i], msg="there is no such destination", type="unknown")
                    for i in unknown
                )
            )
        if not await insert_new(session, Project, [values]):
            raise Problem("project-exists")
    del values["encrypted_key"]
    response.headers["Location"] = f"/api/v1/projects/{wish.name}"
    return ProjectItem(**values)


@router.get("/projects/{name}", summary="One project with its counts", responses=documented("unknown-project"))
async def show_project(context: Ctx, name: ProjectName) -> ProjectDetail:
    """What it is and what is in it."""
    mine = Assignment.project == name, Assignment.refused.is_(None)
    async with context.database.reading() as session:
        project = await get_project(session, name)
        participants = await session.scalar(select(func.count()).where(Participant.project == name))
        studies = await session.scalar(select(func.count(Assignment.study_instance_uid.distinct())).where(*mine))
        states = await session.execute(
            select(Transfer.state, func.count()).where(Transfer.project == name).group_by(Transfer.state)
        )
        return ProjectDetail(
            **_item(project).model_dump(),
            participants=participants or 0,
            studies=studies or 0,
            transfers={row[0]: row[1] for row in states},
        )


@router.get(
    "/projects/{name}/participants",
    summary="The participants of a project",
    responses=documented("unknown-project"),
)
async def list_participants(
    context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0
) -> Page[ParticipantItem]:
    """By pseudonym, with the number of their studies."""
    mine = Participant.project == name
    studies = (
        select(func.count(Assignment.study_instance_uid.distinct()))
        .where(
            Assignment.project == Participant.project,
            Assignment.participant == Participant.name,
            Assignment.refused.is_(None),
        )
        .correlate(Participant)
        .scalar_subquery()
    )
    async with context.database.reading() as session:
        await get_project(session, name)
        total = await session.scalar(select(func.count()).select_from(Participant).where(mine)) or 0
        rows = await session.execute(
            select(Participant.name, studies, Participant.created_at)
            .where(mine)
            .order_by(Participant.name)
            .limit(limit)
            .offset(offset)
        )
        items = [ParticipantItem(name=row[0], studies=row[1], created_at=row[2]) for row in rows]
    return Page(items=items, total=total)


def _item(row: Project) -> ProjectItem:
    return ProjectItem(
        name=row.name,
        description=row.description,
        participant_pattern=row.participant_pattern,
        events=row.events,
        destinations=row.destinations,
        profile=row.profile,
        active=row.active,
        created_at=row.created_at,
    )
