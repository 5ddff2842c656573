"""Studies: what has arrived, what waits for assignment, what its files are."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import func, select

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Limit, Offset, ProjectName, Uid
from services.api.problems import Problem, documented
from services.api.resources.catalogue import (
    State,
    StudyItem,
    assigned,
    in_state,
    of_patient,
    page_of_studies,
    seen_within,
)
from services.api.resources.series import SeriesItem, series_item
from services.api.sight import find_study, identities_in_sight
from shared.tables import Instance, Series, Study

router = APIRouter(tags=["studies"])


class StudySearch(Shape):
    """Who or what is looked for: all that is given has to fit."""

    model_config = example(patient_id="P-17", days=30)
    patient_id: str | None = Field(default=None, min_length=1, max_length=64)
    accession_number: str | None = Field(default=None, min_length=1, max_length=64)
    days: float | None = Field(default=None, gt=0, le=36500, description="arrived in the last so many days")
    state: State = "all"
    project: ProjectName | None = Field(default=None, description="assigned to this project")


class FileItem(Shape):
    """Where an instance is kept."""

    model_config = example(
        sop_instance_uid="1.2.826.0.1.3680043.8.498.1.1.1",
        path="archive/scp_1.2.826.0.1.3680043.8.498.1/1.2.826.0.1.3680043.8.498.1.1.1.dcm",
        size=526336,
    )
    sop_instance_uid: str
    path: str = Field(description="relative to the store")
    size: int = Field(description="bytes")


@router.get("/studies", summary="Studies, latest first")
async def list_studies(
    context: Ctx,
    who: Who,
    state: Annotated[State, Query(description="waiting for a project, assigned to one, or all")] = "all",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[StudyItem]:
    """What has come in, with the identities that people assign it by."""
    async with context.database.reading() as session:
        return await page_of_studies(session, context.vault, who, in_state(state), limit, offset)


@router.post("/studies/search", summary="Studies by patient, accession number, age or project")
async def search_studies(
    context: Ctx, who: Who, search: StudySearch, limit: Limit = 100, offset: Offset = 0
) -> Page[StudyItem]:
    """A search by identity is a POST: what it looks for must not stand in a URL. It finds what shows its identity."""
    where = in_state(search.state)
    if search.project is not None:
        where.append(assigned(search.project))
    if search.days is not None:
        where.append(seen_within(search.days))
    if search.accession_number is not None:
        where.append(Study.accession_hash == context.vault.hash("accession", search.accession_number))
    if search.accession_number is not None or search.patient_id is not None:
        where.append(identities_in_sight(who))
    async with context.database.reading() as session:
        if search.patient_id is not None:
            where.append(await of_patient(session, context.vault, search.patient_id))
        return await page_of_studies(session, context.vault, who, where, limit, offset)


@router.get("/studies/{uid}", summary="One study", responses=documented("unknown-study"))
async def show_study(context: Ctx, who: Who, uid: Uid) -> StudyItem:
    """The same as in the list."""
    async with context.database.reading() as session:
        page = await page_of_studies(session, context.vault, who, [Study.study_instance_uid == uid], 1, 0)
    if not page.items:
        raise Problem("unknown-study")
    return page.items[0]


@router.get("/studies/{uid}/series", summary="The series of a study", responses=documented("unknown-study"))
async def list_series(context: Ctx, who: Who, uid: Uid, limit: Limit = 100, offset: Offset = 0) -> Page[SeriesItem]:
    """In the order of their UIDs, those that are still coming in included."""
    mine = Series.study_instance_uid == uid
    async with context.database.reading() as session:
        await find_study(session, who, uid)
        rows, total = await part(session, Series, [mine], [Series.series_instance_uid], limit, offset)
        return Page(items=[series_item(row) for row in rows], total=total)


@router.get("/studies/{uid}/files", summary="The files of a study", responses=documented("unknown-study"))
async def list_files(context: Ctx, who: Who, uid: Uid, limit: Limit = 100, offset: Offset = 0) -> Page[FileItem]:
    """One per instance, in the order of their UIDs."""
    mine = Instance.study_instance_uid == uid
    async with context.database.reading() as session:
        await find_study(session, who, uid)
        total = await session.scalar(select(func.count()).select_from(Instance).where(mine)) or 0
        rows = await session.execute(
            select(Instance.sop_instance_uid, Instance.path, Instance.size)
            .where(mine)
            .order_by(Instance.sop_instance_uid)
            .limit(limit)
            .offset(offset)
        )
        items = [FileItem(sop_instance_uid=row[0], path=row[1], size=row[2]) for row in rows]
    return Page(items=items, total=total)
