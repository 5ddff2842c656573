"""Projects: who may be in one, where its studies go, and what is in it; made and changed by people."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import ProjectRole, Who
from services.api.answers import Change, Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, made
from services.api.judging import bound_to
from services.api.lists import part
from services.api.needs import AeTitle, Ctx, Day, Limit, Offset, ProjectName
from services.api.people.members import grant
from services.api.permissions import PERMISSIONS
from services.api.problems import Problem, documented
from services.api.project_fields import (
    PEOPLE,
    SHAPE,
    Approval,
    BuiltIn,
    Destinations,
    ProjectFields,
    Storage,
    check_auto_ids,
    check_together,
)
from services.api.projects import add_project, check_destinations, check_open, get_project
from services.api.rows import get_row
from services.api.sight import in_sight
from services.api.sites import of_sites
from shared.bus import Message
from shared.events import ProjectMoved
from shared.ledger import add
from shared.registry.life import note
from shared.registry.projects import open_for_transfers, today
from shared.tables import Assignment, Participant, Project, ProjectProfile, Transfer

router = APIRouter(tags=["projects"])

AutoIds = Annotated[
    str,
    Field(max_length=100, description="how the project makes up participants, as ABCD-{n:4}; empty: it does not"),
]
AUTO_ID_AET = Field(default=None, description="what is sent to this AE title is assigned under a participant made up")

EXAMPLE = {
    "name": "ABCD-study",
    **SHAPE,
    **PEOPLE,
    "auto_id_pattern": "ABCD-{n:4}",
    "auto_id_aet": "ABCD",
    "destinations": ["research-pacs"],
    "profile": "basic",
}
APPROVAL: dict[str, Any] = {"approval": "2026/1234", "starts_on": "2026-01-01", "ends_on": "2030-12-31"}
LIFE: dict[str, Any] = {
    "state": "production",
    "archived_at": None,
    "active": True,
    "created_at": "2026-01-01T08:00:00Z",
}
STORAGE = {"pathology_folder": "", "tsd_group": "", "tsd_id": "", "tsd_user": "", "tsd_folder": ""}


class NewProject(ProjectFields, Storage):
    """A project to be made, in production at once: most come by an application."""

    model_config = example(**EXAMPLE, **APPROVAL)
    name: ProjectName
    auto_id_pattern: AutoIds = ""
    auto_id_aet: AeTitle | None = AUTO_ID_AET
    approval: Approval = ""
    starts_on: Day | None = None
    ends_on: Day | None = Field(default=None, description="the first day without an approval")
    destinations: Destinations = Field(default=[])
    profile: BuiltIn = Field(default="basic", description="a built-in one, until the project has one of its own")


class ProjectChange(Change, ProjectFields, Storage):
    """What is to be different in a project; what is not named stays."""

    model_config = example(description="A brain cohort, phase 2", active=True, events=["baseline", "year1", "year2"])
    auto_id_pattern: AutoIds = ""
    auto_id_aet: AeTitle | None = AUTO_ID_AET
    destinations: Destinations = Field(default=[])
    profile: BuiltIn = Field(default="basic", description="for a project that has none of its own")
    active: bool = Field(default=True, description="an inactive one takes no studies and lets nothing out of review")


class ProjectItem(Shape):
    """A project."""

    model_config = example(**EXAMPLE, **APPROVAL, **STORAGE, **LIFE)
    name: str
    description: str
    state: str = Field(description="development, production, archived or deleted")
    archived_at: datetime | None
    organisation: str
    pi_name: str
    pi_mail: str
    manager_name: str
    manager_mail: str
    approval: str
    starts_on: date | None
    ends_on: date | None
    end_provision: str = Field(description="delete or anonymise; keep: of a project that is anonymous already")
    participant_pattern: str
    auto_id_pattern: str
    auto_id_aet: str | None
    participant_example: str
    events: list[str]
    events_without_images: list[str]
    options: list[str]
    destinations: list[str]
    profile: str
    pathology_folder: str
    tsd_group: str
    tsd_id: str
    tsd_user: str
    tsd_folder: str
    active: bool
    created_at: datetime


class ProjectDetail(ProjectItem):
    """A project and what is in it."""

    model_config = example(
        **EXAMPLE,
        **APPROVAL,
        **STORAGE,
        **LIFE,
        closed=None,
        participants=12,
        studies=20,
        transfers={"completed": 19, "sending": 1},
    )
    closed: str | None = Field(description="why it takes no studies now; null: it does")
    participants: int
    studies: int
    transfers: dict[str, int] = Field(description="by state")


async def edited_project(session: AsyncSession, name: str, edit: Edit) -> Project:
    """The project, locked, as whoever changes it has seen it; a problem when there is none, or it is another by now."""
    project = await get_row(session, Project, name, locked=True)
    edit.check(project_item(project))
    return project


@router.get("/projects", summary="Projects by name")
async def list_projects(context: Ctx, who: Who, limit: Limit = 100, offset: Offset = 0) -> Page[ProjectItem]:
    """Those that one has a part in, active or not; whoever runs the gateway sees all."""
    mine = in_sight(who, "list_projects", Project.name)
    async with context.database.reading() as session:
        rows, total = await part(session, Project, [mine], [Project.name], limit, offset)
        return Page(items=[project_item(row) for row in rows], total=total)


@router.post(
    "/projects",
    summary="Make a project",
    status_code=201,
    responses=documented("project-exists", "invalid-request"),
)
async def make_project(context: Ctx, who: Who, wish: NewProject, response: Response) -> ProjectItem:
    """Its key, from which its pseudonyms follow, is made now and never again. Whoever makes it owns it."""
    values = wish.model_dump()
    check_together(values)
    check_auto_ids(wish.name, wish.participant_pattern, wish.auto_id_pattern, wish.auto_id_aet)
    async with context.database.session() as session:
        project = await add_project(session, context.vault, values | {"state": "production"})
        await grant(session, who.name, wish.name, [ProjectRole.OWNER], by=who.name)
        await note(session, project.name, "made", by=who.name)
        item = project_item(project)
    response.headers["Location"] = f"/api/v1/projects/{wish.name}"
    return made(response, item)


@router.patch(
    "/projects/{name}",
    summary="Change a project",
    responses=documented("unknown-project", "project-closed", "profile-of-its-own", "invalid-request", *EDITED),
)
async def change_project(context: Ctx, name: ProjectName, wish: ProjectChange, edit: Edit) -> ProjectItem:
    """It holds for what is asked for from now on: what is under way goes where it was to go."""
    async with context.database.session() as session:
        project = await edited_project(session, name, edit)
        check_open(project)
        if "destinations" in wish.model_fields_set:
            await check_destinations(session, wish.destinations)
        if "profile" in wish.model_fields_set:
            own = select(func.count()).where(ProjectProfile.project == name)
            if await session.scalar(own):
                raise Problem("profile-of-its-own", "put the built-in one as its next version")
        paused = not project.active
        for field, value in wish.given().items():
            setattr(project, field, value)
        if paused and project.active:
            moved = ProjectMoved(project=name, before=project.state, after=project.state)
            await add(session, [Message.of(moved)])
        if wish.model_fields_set & {"participant_pattern", "auto_id_pattern", "auto_id_aet"}:
            check_auto_ids(name, project.participant_pattern, project.auto_id_pattern, project.auto_id_aet)
        check_together(vars(project))
        item = project_item(project)
    context.relay.wake()
    return edit.made(item)


@router.get("/projects/{name}", summary="One project with its counts", responses=documented("unknown-project") | SHOWN)
async def show_project(context: Ctx, who: Who, name: ProjectName, shown: Shown) -> ProjectDetail:
    """What it is and what is in it; whoever is bound to sites is told what is of the sites."""
    bound = bound_to(PERMISSIONS["show_project"], who, name)

    def theirs(participant: Any) -> list[ColumnElement[bool]]:
        return [of_sites(name, participant, bound)] if bound else []

    mine = Assignment.project == name, Assignment.in_force, *theirs(Assignment.participant)
    async with context.database.reading() as session:
        project = await get_project(session, name)
        enrolled = Participant.project == name, *([Participant.site.in_(sorted(bound))] if bound else [])
        participants = await session.scalar(select(func.count()).where(*enrolled))
        studies = await session.scalar(select(func.count()).select_from(Assignment).where(*mine))
        states = await session.execute(
            select(Transfer.state, func.count())
            .where(Transfer.project == name, *theirs(Transfer.participant))
            .group_by(Transfer.state)
        )
        item = project_item(project)
        detail = ProjectDetail(
            **item.model_dump(),
            closed=open_for_transfers(project, today()),
            participants=participants or 0,
            studies=studies or 0,
            transfers={row[0]: row[1] for row in states},
        )
        return shown(detail, edited=item)


def project_item(row: Project) -> ProjectItem:
    """As people see it."""
    return ProjectItem.model_validate(row, from_attributes=True)
