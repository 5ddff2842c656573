"""Destinations: where de-identified studies go, and whether anybody is there."""

from datetime import datetime
from time import perf_counter
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field, ValidationError
from sqlalchemy import func, select

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Limit, Name, Offset
from services.api.problems import Problem, documented, field_errors, invalid
from shared.database import insert_new
from shared.destinations import DestinationConfig, EchoFailed, echo, parse_destination
from shared.tables import Destination
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
    kind: Literal["dicom", "dicomweb", "folder"]
    config: dict[str, Any] = Field(default={}, description="by kind; see docs/services/sender.md")


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
        total = await session.scalar(select(func.count()).select_from(Destination)) or 0
        rows = await session.scalars(select(Destination).order_by(Destination.name).limit(limit).offset(offset))
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/destinations",
    summary="Make a destination",
    status_code=201,
    responses=documented("destination-exists", "invalid-request"),
)
async def make_destination(context: Ctx, wish: NewDestination, response: Response) -> DestinationItem:
    """Checked for form; echo it to see whether it is there."""
    config = checked(wish.kind, wish.config).model_dump(mode="json", exclude={"kind"}, exclude_unset=True)
    row = Destination(name=wish.name, kind=wish.kind, config=config, created_at=now())
    values = {name: getattr(row, name) for name in ("name", "kind", "config", "created_at")}
    async with context.database.session() as session:
        if not await insert_new(session, Destination, [values]):
            raise Problem("destination-exists")
    response.headers["Location"] = "/api/v1/destinations"
    return _item(row)


@router.post(
    "/destinations/{name}/echo",
    summary="Ask a destination whether it is there",
    responses=documented("unknown-destination"),
)
async def echo_destination(context: Ctx, name: Name) -> Echo:
    """C-ECHO, a QIDO-RS for one study, or a file written and removed."""
    async with context.database.reading() as session:
        row = await session.get(Destination, name)
    if row is None:
        raise Problem("unknown-destination")
    began = perf_counter()
    try:
        await echo(name, _impatient(parse_destination(row.kind, row.config)), context.store.root)
        ok, detail = True, "answered"
    except EchoFailed as error:
        ok, detail = False, str(error)
    return Echo(ok=ok, detail=detail, milliseconds=round((perf_counter() - began) * 1000, 1))


def _impatient(config: DestinationConfig) -> DestinationConfig:
    timeout = getattr(config, "timeout", None)
    if timeout is None:
        return config
    return config.model_copy(update={"timeout": min(timeout, ECHO_SECONDS)})


def _item(row: Destination) -> DestinationItem:
    return DestinationItem(name=row.name, kind=row.kind, config=row.config, created_at=row.created_at)
