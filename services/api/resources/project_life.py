"""The life of a project: production, archive, a longer approval; and every step it has gone."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.etags import EDITED, Edit
from services.api.lists import part
from services.api.needs import Ctx, Day, Limit, Offset, ProjectName, Prose
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.project_fields import Approval
from services.api.projects import get_project
from services.api.resources.projects import ProjectItem, edited_project, project_item
from shared.bus import Message
from shared.events import Event
from shared.ledger import add
from shared.registry import life
from shared.registry.life import NotNow
from shared.registry.projects import ADMINISTRATOR, OPEN, OWNER, today
from shared.tables import Project, ProjectStep, ProjectWork

router = APIRouter(tags=["projects"])
ENDING = ("anonymise", "delete")


class Extension(Shape):
    """A longer approval."""

    model_config = example(ends_on="2032-12-31", approval="2026/1234-2")
    ends_on: Day = Field(description="the first day without an approval")
    approval: Approval = Field(default="", description="its number, when it is another one")


class Ending(Shape):
    """Why a project goes to the archive before its approval ends."""

    model_config = example(reason="All data are collected.")
    reason: Prose = Field(max_length=200, description="no patient's name")


class StepItem(Shape):
    """Something that happened to a project."""

    model_config = example(kind="reminded", detail="6 months before 2030-12-31", by="", at="2030-06-30T06:00:00Z")
    kind: str
    detail: str
    by: str = Field(description="empty: the gateway's clock")
    at: datetime


class WorkItem(Shape):
    """Something that is done with a whole project."""

    model_config = example(kind="export", state="waiting", tries=1, error=None, next_try_at="2031-12-31T06:10:00Z")
    kind: str = Field(description="export, anonymise or delete")
    state: str
    tries: int
    error: str | None = Field(description="of the last try")
    next_try_at: datetime


class Steps(Page[StepItem]):
    """The steps of a project, and what is being done with it."""

    work: list[WorkItem]


CHANGES: Any = documented("unknown-project", "project-closed", "invalid-request", *EDITED)


@router.post("/projects/{name}/produce", summary="Let a project go to production", responses=CHANGES)
async def produce(context: Ctx, who: Who, name: ProjectName, edit: Edit) -> ProjectItem:
    """When its first studies were looked at."""
    async with context.database.session() as session:
        project = await edited_project(session, name, edit)
        if project.state == "archived":
            raise Problem("project-closed", "the project is archived: a longer approval brings it back")
        await _move(session, project, "production", ADMINISTRATOR, by=who.name)
        item = project_item(project)
    context.relay.wake()
    return edit.made(item)


@router.post("/projects/{name}/archive", summary="Send a project to the archive", responses=CHANGES)
async def archive(context: Ctx, who: Who, name: ProjectName, wish: Ending, edit: Edit) -> ProjectItem:
    """No more transfers or changes; what follows is the same as after the end of an approval."""
    async with context.database.session() as session:
        project = await edited_project(session, name, edit)
        await _move(session, project, "archived", OWNER, by=who.name, detail=wish.reason)
        item = project_item(project)
    context.relay.wake()
    return edit.made(item)


@router.post("/projects/{name}/extend", summary="Give a project a longer approval", responses=CHANGES)
async def extend(context: Ctx, who: Who, name: ProjectName, wish: Extension, edit: Edit) -> ProjectItem:
    """An archived project takes studies again, those that have waited first; reminders begin anew."""
    async with context.database.session() as session:
        project = await edited_project(session, name, edit)
        if wish.ends_on <= today() or (project.starts_on is not None and wish.ends_on <= project.starts_on):
            raise invalid(FieldError(loc=["body", "ends_on"], msg="is over, or before the start", type="order"))
        if project.state != "archived" and project.state not in OPEN:
            raise Problem("project-closed", f"the project is {project.state}")
        if project.end_provision == "keep":
            raise Problem("project-closed", "it is kept as it was anonymised, and takes no studies")
        if await _ends(session, name):
            raise Problem("project-closed", "its last export is confirmed: its data are about to go")
        detail = f"from {project.ends_on} to {wish.ends_on}"
        project.ends_on, project.approval = wish.ends_on, wish.approval or project.approval
        await life.note(session, name, "extended", detail, by=who.name)
        if project.state == "archived":
            await _move(session, project, "production", ADMINISTRATOR, by=who.name)
        item = project_item(project)
    context.relay.wake()
    return edit.made(item)


@router.get("/projects/{name}/steps", summary="What has happened to a project", responses=documented("unknown-project"))
async def list_steps(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Steps:
    """From the application to the end, latest first, and what is being done now."""
    mine = ProjectStep.project == name
    async with context.database.reading() as session:
        rows, total = await part(session, ProjectStep, [mine], [ProjectStep.id.desc()], limit, offset)
        if not total:
            await get_project(session, name)
        works = await session.scalars(
            select(ProjectWork).where(ProjectWork.project == name).order_by(ProjectWork.created_at.desc())
        )
        return Steps(items=[StepItem.model_validate(row, from_attributes=True) for row in rows], total=total, work=[
            WorkItem.model_validate(each, from_attributes=True) for each in works
        ])  # fmt: skip


async def _move(session: AsyncSession, project: Project, state: str, part: str, by: str, detail: str = "") -> None:
    """The permission table has let whoever asks do it in this part."""
    try:
        event: Event = await life.move(session, project, state, part, by=by, detail=detail)
    except NotNow as error:
        raise Problem("project-closed", str(error)) from None
    await add(session, [Message.of(event)])


async def _ends(session: AsyncSession, name: str) -> bool:
    going = ProjectWork.project == name, ProjectWork.kind.in_(ENDING), ProjectWork.state == "waiting"
    return bool(await session.scalar(select(func.count()).select_from(ProjectWork).where(*going)))
