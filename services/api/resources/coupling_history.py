"""What was added to a coupling list, by whom and when; and removed again as it came."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import ColumnElement, and_, delete, func, select

from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.sites import theirs
from shared.tables import CouplingEntry, CouplingUpload

router = APIRouter(tags=["coupling"])


class UploadItem(Shape):
    """An addition to a coupling list."""

    model_config = example(
        id="0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11",
        rows=212,
        added=180,
        amended=0,
        prolonged=32,
        unchanged=0,
        entries=212,
        expires_at="2026-01-15T08:00:00Z",
        created_by="kari",
        created_at="2026-01-01T08:00:00Z",
    )
    id: str
    rows: int
    added: int
    amended: int
    prolonged: int
    unchanged: int
    entries: int = Field(description="that it was the last to name, and that are still there")
    expires_at: datetime | None
    created_by: str
    created_at: datetime


class RemovedEntries(Shape):
    """How many entries there were."""

    model_config = example(removed=212)
    removed: int


@router.get(
    "/projects/{name}/coupling/uploads",
    summary="What was added to a coupling list, by whom and when",
    responses=documented("unknown-project"),
)
async def list_coupling_uploads(
    context: Ctx, who: Who, name: ProjectName, limit: Limit = 100, offset: Offset = 0
) -> Page[UploadItem]:
    """Latest first, with how much of each is still there; whoever is bound to sites sees their own."""
    mine = _theirs(who, name)
    async with context.database.reading() as session:
        await get_project(session, name)
        latest = CouplingUpload.created_at.desc(), CouplingUpload.id
        rows, total = await part(session, CouplingUpload, [mine], latest, limit, offset)
        counted = await session.execute(
            select(CouplingEntry.upload, func.count())
            .where(CouplingEntry.upload.in_([row.id for row in rows]))
            .group_by(CouplingEntry.upload)
        )
        left = {row[0]: row[1] for row in counted}
    return Page(items=[_item(row, left.get(row.id, 0)) for row in rows], total=total)


@router.delete(
    "/projects/{name}/coupling/uploads/{identity}",
    summary="Remove the entries of an upload",
    responses=documented("unknown-project", "unknown-coupling-upload"),
)
async def remove_coupling_upload(context: Ctx, who: Who, name: ProjectName, identity: Identity) -> RemovedEntries:
    """Those that no later upload has named again. What they have assigned so far stays assigned."""
    async with context.database.session() as session:
        await get_project(session, name)
        made = select(CouplingUpload.id).where(CouplingUpload.id == identity, _theirs(who, name))
        if await session.scalar(made) is None:
            raise Problem("unknown-coupling-upload")
        mine = CouplingEntry.upload == identity, *theirs(who, name, CouplingEntry.participant)
        gone = await session.execute(delete(CouplingEntry).where(*mine))
        return RemovedEntries(removed=_count(gone))


@router.delete(
    "/projects/{name}/coupling",
    summary="Remove the whole coupling list",
    responses=documented("unknown-project"),
)
async def remove_all_coupling(context: Ctx, who: Who, name: ProjectName) -> RemovedEntries:
    """Expired entries, too. What they have assigned so far stays assigned. Of one's sites, if one is bound to some."""
    mine = CouplingEntry.project == name, *theirs(who, name, CouplingEntry.participant)
    async with context.database.session() as session:
        await get_project(session, name)
        gone = await session.execute(delete(CouplingEntry).where(*mine))
        return RemovedEntries(removed=_count(gone))


def _count(result: Any) -> int:
    return int(result.rowcount)


def _theirs(who: Actor, project: str) -> ColumnElement[bool]:
    """What was added to a project's list; to whoever is bound to sites, by themselves."""
    by = [CouplingUpload.created_by == who.name] if who.sites_in(project) else []
    return and_(CouplingUpload.project == project, *by)


def _item(row: CouplingUpload, entries: int) -> UploadItem:
    return UploadItem(
        id=row.id,
        rows=row.rows,
        added=row.added,
        amended=row.rows - row.added - row.prolonged - row.unchanged,
        prolonged=row.prolonged,
        unchanged=row.unchanged,
        entries=entries,
        expires_at=row.expires_at,
        created_by=row.created_by,
        created_at=row.created_at,
    )
