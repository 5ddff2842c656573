"""A project's data in one file: asked for, downloaded, and at the end confirmed, after which they go from here."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import FileResponse

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.rows import get_row
from shared.bus import Message
from shared.database import lock
from shared.events import ProjectConfirmed
from shared.ledger import add
from shared.registry import life
from shared.tables import Project, ProjectExport, ProjectLeftover
from shared.tables.base import now

router = APIRouter(tags=["projects"])
DIGEST = "5f0c" * 16


class ExportItem(Shape):
    """An export."""

    model_config = example(
        id="7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", project="ABCD-study", final=True, state="ready", sha256=DIGEST,
        size=73400320, instances=140, missing=0, asked_by="", confirmed_by="", confirmed_at=None,
        made_at="2031-12-31T06:12:00Z", created_at="2031-12-31T06:10:00Z", why=None,
    )  # fmt: skip
    id: str
    project: str
    final: bool = Field(description="to be confirmed before the project's data go")
    state: str = Field(description="asked, ready, confirmed or gone")
    sha256: str = Field(description="of the file; empty: it is not there yet")
    size: int = Field(description="bytes")
    instances: int
    missing: int = Field(description="instances that were de-identified and are held no more")
    asked_by: str
    confirmed_by: str
    confirmed_at: datetime | None
    made_at: datetime | None
    created_at: datetime
    why: str | None = Field(default=None, description="why the file is gone: a copy of it should not be used, either")


class Confirmation(Shape):
    """That whoever says so has the file, whole."""

    model_config = example(sha256=DIGEST)
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] = Field(description="of the copy that was downloaded")
    missing: int = Field(
        default=0,
        ge=0,
        description="how many instances are missing in it, as the export says: after the last one they are nowhere",
    )


class LeftoverItem(Shape):
    """A study of a deleted project that has to be removed at a destination by hand."""

    model_config = example(destination="research-pacs", study_instance_uid="2.25.7", done_by="", done_at=None)
    destination: str
    study_instance_uid: str = Field(description="as the destination knows it")
    done_by: str
    done_at: datetime | None


class RemovedByHand(Shape):
    """What somebody has removed by hand."""

    model_config = example(destination="research-pacs", study_instance_uid="2.25.7")
    destination: str = Field(max_length=64)
    study_instance_uid: str = Field(max_length=64)


@router.get(
    "/projects/{name}/exports", summary="A project's exports, latest first", responses=documented("unknown-project")
)
async def list_exports(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Page[ExportItem]:
    """Those that are made, and those that are gone again."""
    mine = ProjectExport.project == name
    async with context.database.reading() as session:
        await get_project(session, name)
        latest = ProjectExport.created_at.desc(), ProjectExport.id
        rows, total = await part(session, ProjectExport, [mine], latest, limit, offset)
        gone = await life.why_gone(session, name, [row.id for row in rows])
        return Page(items=[_item(row, gone.get(row.id)) for row in rows], total=total)


@router.post(
    "/projects/{name}/exports",
    summary="Ask for a project's data in one file",
    status_code=202,
    responses=documented("unknown-project", "export-under-way", "project-closed"),
)
async def ask_for_export(context: Ctx, who: Who, name: ProjectName, response: Response) -> ExportItem:
    """The registry makes it and tells PI and data manager. Confirming this one deletes nothing."""
    async with context.database.session() as session:
        await lock(session, "export", name)
        project = await get_project(session, name)
        if project.state == "deleted":
            raise Problem("project-closed", "the project is deleted")
        asked = ProjectExport.project == name, ProjectExport.state == "asked"
        if await session.scalar(select(func.count()).select_from(ProjectExport).where(*asked)):
            raise Problem("export-under-way")
        item = _item(await life.ask_for_export(session, name, by=who.name))
    response.headers["Location"] = f"/api/v1/projects/{name}/exports/{item.id}"
    return item


@router.get(
    "/projects/{name}/exports/{identity}",
    summary="One export",
    responses=documented("unknown-project", "unknown-export"),
)
async def show_export(context: Ctx, name: ProjectName, identity: Identity) -> ExportItem:
    """How far it is."""
    async with context.database.reading() as session:
        row = await _export(session, name, identity)
        return _item(row, await _why(session, row))


@router.get(
    "/projects/{name}/exports/{identity}/file",
    summary="Download an export",
    response_class=FileResponse,
    responses={
        200: {
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}, "example": "ZIP"}},
            "description": "A ZIP file",
        },
        **documented("unknown-project", "unknown-export", "export-not-there"),
    },
)
async def download_export(context: Ctx, name: ProjectName, identity: Identity) -> Response:
    """Ranges are answered, so that an interrupted download can go on."""
    async with context.database.reading() as session:
        row = await _export(session, name, identity)
        why = await _why(session, row)
    path = context.store / row.path
    if why or row.state not in ("ready", "confirmed") or not path.is_file():
        raise _not_there(row, why)
    return FileResponse(path, media_type="application/zip", filename=f"{name}-{row.created_at:%Y%m%d}.zip")


@router.post(
    "/projects/{name}/exports/{identity}/confirm",
    summary="Confirm to have a project's data",
    responses=documented(
        "unknown-project", "unknown-export", "export-not-there", "other-file", "instances-missing", "invalid-request"
    ),
)
async def confirm_export(
    context: Ctx, who: Who, name: ProjectName, identity: Identity, wish: Confirmation
) -> ExportItem:
    """After the last export of an archived project its data are deleted or anonymised: nothing brings them back."""
    async with context.database.session() as session:
        project = await session.get(Project, name, with_for_update=True)
        row = await _export(session, name, identity, edited=True)
        why = await _why(session, row)
        if row.state == "confirmed":
            return _item(row, why)
        if row.state != "ready":
            raise _not_there(row, why)
        if row.sha256 != wish.sha256:
            raise Problem("other-file")
        if row.missing != wish.missing:
            said = f"{row.missing} instances that were de-identified are held no more and are not in it"
            raise Problem("instances-missing", f"{said}: confirm it with this number as `missing`")
        row.state, row.confirmed_by, row.confirmed_at = "confirmed", who.name, now()
        known = f", {row.missing} instances missing in it" if row.missing else ""
        await life.note(session, name, "confirmed", f"{row.id}{known}", by=who.name)
        if project is not None and ends_with(project, row):
            await life.work(session, name, project.end_provision, row.id)
            await add(session, [Message.of(ProjectConfirmed(project=name, export=row.id))])
        item = _item(row)
    context.relay.wake()
    return item


@router.get(
    "/projects/{name}/leftovers",
    summary="What has to be removed at destinations by hand",
    responses=documented("unknown-project"),
)
async def list_leftovers(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Page[LeftoverItem]:
    """Of a project that is deleted here."""
    mine = ProjectLeftover.project == name
    async with context.database.reading() as session:
        await get_project(session, name)
        order = ProjectLeftover.destination, ProjectLeftover.study_instance_uid
        rows, total = await part(session, ProjectLeftover, [mine], order, limit, offset)
        items = [LeftoverItem.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, total=total)


@router.post(
    "/projects/{name}/leftovers/removed",
    summary="Say that a study was removed by hand",
    responses=documented("unknown-project", "unknown-leftover", "invalid-request"),
)
async def removed_by_hand(context: Ctx, who: Who, name: ProjectName, wish: RemovedByHand) -> LeftoverItem:
    """The first word counts."""
    key = name, wish.destination, wish.study_instance_uid
    async with context.database.session() as session:
        await get_project(session, name)
        row = await get_row(session, ProjectLeftover, key, locked=True)
        if row.done_at is None:
            row.done_by, row.done_at = who.name, now()
        return LeftoverItem.model_validate(row, from_attributes=True)


def ends_with(project: Project, export: ProjectExport) -> bool:
    """Whether confirming this export ends the project: the last one, of this time in the archive."""
    archived = project.state == "archived" and project.archived_at is not None
    return archived and export.final and export.created_at >= (project.archived_at or export.created_at)


async def _export(session: AsyncSession, project: str, identity: str, edited: bool = False) -> ProjectExport:
    """`edited`: nobody else changes it meanwhile, which whoever only reads cannot ask for."""
    row = await session.get(ProjectExport, identity, with_for_update=edited)
    if row is None or row.project != project:
        await get_project(session, project)
        raise Problem("unknown-export")
    return row


async def _why(session: AsyncSession, row: ProjectExport) -> str | None:
    """Why the file is gone; None: it is not, or nobody has said."""
    return (await life.why_gone(session, row.project, [row.id])).get(row.id)


def _not_there(row: ProjectExport, why: str | None) -> Problem:
    return Problem("export-not-there", f"it is gone: {why}" if why else f"it is {row.state}")


def _item(row: ProjectExport, why: str | None = None) -> ExportItem:
    return ExportItem.model_validate(row, from_attributes=True).model_copy(update={"why": why})
