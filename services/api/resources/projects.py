"""Projects: who may be in one, where its studies go; its key is made here and leaves encrypted only."""

import secrets
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Response
from pydantic import AfterValidator, Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.profiles import BUILT_IN
from services.api.actor import ProjectRole, Who
from services.api.answers import Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, made
from services.api.needs import Ctx, EventName, Expression, Limit, Name, Offset, ProjectName
from services.api.people.members import grant
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.sight import in_sight
from shared.database import insert_new
from shared.registry.expressions import fits
from shared.tables import Assignment, Destination, Participant, Project, ProjectProfile, Transfer
from shared.tables.base import now

router = APIRouter(tags=["projects"])
KEY_BYTES = 32


def _built_in(name: str) -> str:
    if name not in BUILT_IN:
        raise ValueError(f"there are: {', '.join(sorted(BUILT_IN))}")
    return name


def _each_once(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise ValueError("names something twice")
    return names


BuiltIn = Annotated[str, Field(max_length=40), AfterValidator(_built_in)]
"""The name of a built-in profile."""

Events = Annotated[list[EventName], Field(max_length=200, description="empty: any"), AfterValidator(_each_once)]
Destinations = Annotated[list[Name], Field(max_length=20), AfterValidator(_each_once)]

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
    events: Events = Field(default=[])
    destinations: Destinations = Field(default=[])
    profile: BuiltIn = Field(default="basic", description="a built-in one, until the project has one of its own")


class ProjectChange(Shape):
    """What is to be different in a project; what is not named stays."""

    model_config = example(description="A brain cohort, phase 2", active=True, events=["baseline", "year1", "year2"])
    description: str = Field(default="", max_length=200)
    participant_pattern: Expression = Field(default=".+", description="of participants to come")
    events: Events = Field(default=[])
    destinations: Destinations = Field(default=[])
    profile: BuiltIn = Field(default="basic", description="for a project that has none of its own")
    active: bool = Field(default=True, description="an inactive one takes no studies and lets nothing out of review")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        return self

    def given(self) -> dict[str, Any]:
        """What was named."""
        return self.model_dump(include=self.model_fields_set)


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


async def edited_project(session: AsyncSession, name: str, edit: Edit) -> Project:
    """The project, locked, as whoever changes it has seen it; a problem when there is none, or it is another by now."""
    project = await session.get(Project, name, with_for_update=True)
    if project is None:
        raise Problem("unknown-project")
    edit.check(_item(project))
    return project


def check_participation(project: Project, participant: str, event: str) -> None:
    """A problem unless the project takes such a participant at such an event."""
    if not fits(project.participant_pattern, participant):
        raise Problem("participant-not-allowed", f"the whole name has to fit {project.participant_pattern}")
    if project.events and event not in project.events:
        raise Problem("event-not-allowed", f"there are: {', '.join(project.events)}")


@router.get("/projects", summary="Projects by name")
async def list_projects(context: Ctx, who: Who, limit: Limit = 100, offset: Offset = 0) -> Page[ProjectItem]:
    """Those that one has a part in, active or not; whoever runs the gateway sees all."""
    mine = in_sight(who, "list_projects", Project.name)
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(Project).where(mine)) or 0
        rows = await session.scalars(select(Project).where(mine).order_by(Project.name).limit(limit).offset(offset))
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/projects",
    summary="Make a project",
    status_code=201,
    responses=documented("project-exists", "invalid-request"),
)
async def make_project(context: Ctx, who: Who, wish: NewProject, response: Response) -> ProjectItem:
    """Its key, from which its pseudonyms follow, is made now and never again. Whoever makes it owns it."""
    values = wish.model_dump() | {
        "encrypted_key": context.vault.encrypt(secrets.token_bytes(KEY_BYTES)),
        "active": True,
        "created_at": now(),
    }
    async with context.database.session() as session:
        await _check_destinations(session, wish.destinations)
        if not await insert_new(session, Project, [values]):
            raise Problem("project-exists")
        await grant(session, who.name, wish.name, [ProjectRole.OWNER], by=who.name)
    del values["encrypted_key"]
    response.headers["Location"] = f"/api/v1/projects/{wish.name}"
    return made(response, ProjectItem(**values))


@router.patch(
    "/projects/{name}",
    summary="Change a project",
    responses=documented("unknown-project", "profile-of-its-own", "invalid-request", *EDITED),
)
async def change_project(context: Ctx, name: ProjectName, wish: ProjectChange, edit: Edit) -> ProjectItem:
    """It holds for what is asked for from now on: what is under way goes where it was to go."""
    async with context.database.session() as session:
        project = await edited_project(session, name, edit)
        if "destinations" in wish.model_fields_set:
            await _check_destinations(session, wish.destinations)
        if "profile" in wish.model_fields_set:
            own = select(func.count()).where(ProjectProfile.project == name)
            if await session.scalar(own):
                raise Problem("profile-of-its-own", "put the built-in one as its next version")
        for field, value in wish.given().items():
            setattr(project, field, value)
        return edit.made(_item(project))


@router.get("/projects/{name}", summary="One project with its counts", responses=documented("unknown-project") | SHOWN)
async def show_project(context: Ctx, name: ProjectName, shown: Shown) -> ProjectDetail:
    """What it is and what is in it."""
    mine = Assignment.project == name, Assignment.refused.is_(None)
    async with context.database.reading() as session:
        project = await get_project(session, name)
        participants = await session.scalar(select(func.count()).where(Participant.project == name))
        studies = await session.scalar(select(func.count(Assignment.study_instance_uid.distinct())).where(*mine))
        states = await session.execute(
            select(Transfer.state, func.count()).where(Transfer.project == name).group_by(Transfer.state)
        )
        item = _item(project)
        detail = ProjectDetail(
            **item.model_dump(),
            participants=participants or 0,
            studies=studies or 0,
            transfers={row[0]: row[1] for row in states},
        )
        return shown(detail, edited=item)


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


async def _check_destinations(session: AsyncSession, names: list[str]) -> None:
    """A problem that says where, when one is not there; those that are cannot go before the transaction ends."""
    named = select(Destination.name).where(Destination.name.in_(names))
    known = set(await session.scalars(named.with_for_update(read=True)))
    errors = [
        FieldError(loc=["body", "destinations", i], msg="there is no such destination", type="unknown")
        for i, name in enumerate(names)
        if name not in known
    ]
    if errors:
        raise invalid(*errors)


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
