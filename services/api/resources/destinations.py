"""Destinations: where de-identified studies go, and whether anybody is there."""

from datetime import datetime
from time import perf_counter
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, made
from services.api.lists import part
from services.api.needs import Ctx, Limit, Name, Offset
from services.api.problems import Problem, documented, field_errors, invalid
from services.api.rows import get_row
from shared.database import insert_new
from shared.destinations import DestinationConfig, parse_destination
from shared.destinations.echo import EchoFailed, echo
from shared.tables import Destination, Project, Transfer, TransferPart, WithdrawalPart
from shared.tables.base import now

router = APIRouter(tags=["destinations"])
ECHO_SECONDS = 10.0
"""A person waits for the answer: the destination's own time-out may be longer."""

EXAMPLE = {
    "name": "research-pacs",
    "kind": "dicom",
    "config": {"host": "pacs.example.org", "port": 11112, "called_aet": "RESEARCH"},
}


class NewDestination(Shape):
    """A destination to be made; secrets are named by file."""

    model_config = example(**EXAMPLE)
    name: Name
    kind: Literal["dicom", "dicomweb", "folder", "null"]
    config: dict[str, Any] = Field(default={}, description="by kind; see docs/services/sender.md")


class DestinationChange(Shape):
    """What is to be different about a destination."""

    model_config = example(config={"host": "pacs2.example.org", "port": 11112, "called_aet": "RESEARCH"})
    config: dict[str, Any] = Field(description="the whole of it: what is not named goes back to its default")


class DestinationItem(Shape):
    """A destination."""

    model_config = example(**EXAMPLE, created_at="2026-01-01T08:00:00Z")
    name: str
    kind: str
    config: dict[str, Any] = Field(description="as it was given; what is not there is at its default")
    created_at: datetime


class Echo(Shape):
    """Whether a destination answers."""

    model_config = example(ok=True, detail="answered", milliseconds=12.5)
    ok: bool
    detail: str
    milliseconds: float


def checked(kind: str, config: dict[str, Any]) -> DestinationConfig:
    """The configuration as the sender will read it; a problem when it makes none."""
    try:
        return parse_destination(kind, config)
    except ValidationError as error:
        found = field_errors(error.errors(include_input=False, include_context=False, include_url=False))
        raise invalid(*(each.model_copy(update={"loc": ["body", "config", *each.loc[1:]]}) for each in found)) from None


@router.get("/destinations", summary="Destinations by name")
async def list_destinations(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[DestinationItem]:
    """All of them."""
    async with context.database.reading() as session:
        rows, total = await part(session, Destination, (), [Destination.name], limit, offset)
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/destinations",
    summary="Make a destination",
    status_code=201,
    responses=documented("destination-exists", "invalid-request"),
)
async def make_destination(context: Ctx, wish: NewDestination, response: Response) -> DestinationItem:
    """Checked for form; echo it to see whether it is there."""
    row = Destination(name=wish.name, kind=wish.kind, config=_stored(wish.kind, wish.config), created_at=now())
    values = {name: getattr(row, name) for name in ("name", "kind", "config", "created_at")}
    async with context.database.session() as session:
        if not await insert_new(session, Destination, [values]):
            raise Problem("destination-exists")
    response.headers["Location"] = f"/api/v1/destinations/{wish.name}"
    return made(response, _item(row))


@router.get("/destinations/{name}", summary="One destination", responses=documented("unknown-destination") | SHOWN)
async def show_destination(context: Ctx, name: Name, shown: Shown) -> DestinationItem:
    """The same as in the list."""
    async with context.database.reading() as session:
        row = await get_row(session, Destination, name)
    return shown(_item(row))


@router.patch(
    "/destinations/{name}",
    summary="Change a destination",
    responses=documented("unknown-destination", "invalid-request", *EDITED),
)
async def change_destination(context: Ctx, name: Name, wish: DestinationChange, edit: Edit) -> DestinationItem:
    """It holds for the next association or request: what is under way goes where it was going."""
    async with context.database.session() as session:
        row = await _edited(session, name, edit)
        row.config = _stored(row.kind, wish.config)
        return edit.made(_item(row))


@router.delete(
    "/destinations/{name}",
    summary="Remove a destination",
    status_code=204,
    responses=documented("unknown-destination", "destination-in-use", *EDITED),
)
async def remove_destination(context: Ctx, name: Name, edit: Edit) -> None:
    """Not while a project names it, a transfer is on its way there, or something is to leave it."""
    async with context.database.session() as session:
        row = await _edited(session, name, edit)
        projects = await session.execute(select(Project.name, Project.destinations).order_by(Project.name))
        if users := [project for project, destinations in projects if name in destinations]:
            raise Problem("destination-in-use", f"by {', '.join(users[:10])}")
        under_way = (
            select(Transfer.id)
            .join(TransferPart, TransferPart.transfer == Transfer.id)
            .where(TransferPart.destination == name, Transfer.finished_at.is_(None))
        )
        if await session.scalar(under_way.limit(1)) is not None:
            raise Problem("destination-in-use", "a transfer is on its way there")
        to_leave = select(WithdrawalPart.transfer).where(
            WithdrawalPart.destination == name, WithdrawalPart.state == "asked"
        )
        if await session.scalar(to_leave.limit(1)) is not None:
            raise Problem("destination-in-use", "something is being withdrawn there")
        await session.delete(row)


@router.post(
    "/destinations/{name}/echo",
    summary="Ask a destination whether it is there",
    responses=documented("unknown-destination"),
)
async def echo_destination(context: Ctx, name: Name) -> Echo:
    """C-ECHO, a QIDO-RS for one study, or a file written and removed."""
    async with context.database.reading() as session:
        row = await get_row(session, Destination, name)
    began = perf_counter()
    try:
        await echo(name, _impatient(parse_destination(row.kind, row.config)), context.store.root)
        ok, detail = True, "answered"
    except EchoFailed as error:
        ok, detail = False, str(error)
    return Echo(ok=ok, detail=detail, milliseconds=round((perf_counter() - began) * 1000, 1))


async def _edited(session: AsyncSession, name: str, edit: Edit) -> Destination:
    row = await get_row(session, Destination, name, locked=True)
    edit.check(_item(row))
    return row


def _stored(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return checked(kind, config).model_dump(mode="json", exclude={"kind"}, exclude_unset=True)


def _impatient(config: DestinationConfig) -> DestinationConfig:
    timeout = getattr(config, "timeout", None)
    if timeout is None:
        return config
    return config.model_copy(update={"timeout": min(timeout, ECHO_SECONDS)})


def _item(row: Destination) -> DestinationItem:
    return DestinationItem(name=row.name, kind=row.kind, config=row.config, created_at=row.created_at)
