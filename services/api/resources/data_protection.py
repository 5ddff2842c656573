"""The data-protection report: for whoever has to answer for a project."""

from fastapi import APIRouter

from services.api.data_protection import ProjectReport, report
from services.api.needs import Ctx, ProjectName
from services.api.problems import documented
from services.api.projects import get_project

router = APIRouter(tags=["projects"])


@router.get(
    "/projects/{name}/report",
    summary="The data-protection report of a project",
    responses=documented("unknown-project"),
)
async def report_project(context: Ctx, name: ProjectName) -> ProjectReport:
    """One consistent view. Of patients it has pseudonyms and counts; names only of those who work here."""
    async with context.database.reading() as session:
        return await report(session, context.store, await get_project(session, name))
