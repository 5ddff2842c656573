"""A project's events, and which of them people assign images to."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Offset, ProjectName
from services.api.problems import documented
from services.api.projects import get_project

router = APIRouter(tags=["projects"])


class EventItem(Shape):
    """A project's word for a visit."""

    model_config = example(name="baseline", imaging=True)
    name: str
    imaging: bool = Field(description="false: nothing is assigned to it")


@router.get(
    "/projects/{name}/events",
    summary="The events of a project",
    responses=documented("unknown-project"),
)
async def list_events(
    context: Ctx,
    name: ProjectName,
    imaging: Annotated[bool | None, Query(description="only those with images, or only those without")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[EventItem]:
    """In the project's order; none: any event is taken."""
    async with context.database.reading() as session:
        project = await get_project(session, name)
    without = frozenset(project.events_without_images)
    items = [EventItem(name=each, imaging=each not in without) for each in project.events]
    shown = [each for each in items if imaging is None or each.imaging == imaging]
    return Page(items=shown[offset : offset + limit], total=len(shown))
