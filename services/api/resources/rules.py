"""Routing rules: studies of certain AE titles whose patient fits belong to a project. They act on what comes."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, made
from services.api.needs import AeTitle, Ctx, EventName, Expression, Identity, Limit, Offset, ProjectName
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.resources.projects import get_project
from services.api.sight import in_sight
from shared.tables import Project, RoutingRule
from shared.tables.base import new_id, now

router = APIRouter(tags=["rules"])
NOBODY = "patient_id or patient_name: without either it fits nobody"

EXAMPLE = {
    "project": "ABCD-study",
    "position": 10,
    "called_aet": "ABCD",
    "calling_aet": None,
    "patient_id": r"ABCD-\d{4}",
    "patient_name": None,
    "event": "baseline",
}


class NewRule(Shape):
    """A rule: (called or calling AE title) and (PatientID or PatientName); what fits becomes the participant."""

    model_config = example(**EXAMPLE)
    project: ProjectName
    position: int = Field(
        default=0, ge=-1_000_000, le=1_000_000, description="the first rule of a project that fits wins"
    )
    called_aet: AeTitle | None = None
    calling_aet: AeTitle | None = None
    patient_id: Expression | None = Field(default=None, description="regular expression, whole match")
    patient_name: Expression | None = Field(default=None, description="regular expression, whole match")
    event: EventName = "Unknown"

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if self.patient_id is None and self.patient_name is None:
            raise ValueError(NOBODY)
        return self


class RuleChange(Shape):
    """What is to be different in a rule; what is not named stays, and null takes a condition away."""

    model_config = example(position=20, patient_name=None, active=True)
    position: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    called_aet: AeTitle | None = None
    calling_aet: AeTitle | None = None
    patient_id: Expression | None = None
    patient_name: Expression | None = None
    event: EventName = "Unknown"
    active: bool = Field(default=True, description="an inactive one takes no studies")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("names nothing to change")
        return self

    def given(self) -> dict[str, Any]:
        """What was named."""
        return self.model_dump(include=self.model_fields_set)


class RuleItem(Shape):
    """A rule."""

    model_config = example(
        **EXAMPLE, id="7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", active=True, created_at="2026-01-01T08:00:00Z"
    )
    id: str
    project: str
    position: int
    active: bool
    called_aet: str | None
    calling_aet: str | None
    patient_id: str | None
    patient_name: str | None
    event: str
    created_at: datetime


@router.get("/rules", summary="Routing rules in the order in which they are tried")
async def list_rules(
    context: Ctx,
    who: Who,
    project: Annotated[ProjectName | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[RuleItem]:
    """Of all projects that one looks after, or of one."""
    mine = [in_sight(who, "list_rules", RoutingRule.project)]
    if project is not None:
        mine.append(RoutingRule.project == project)
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(RoutingRule).where(*mine)) or 0
        in_order = select(RoutingRule).where(*mine).order_by(RoutingRule.position, RoutingRule.id)
        rows = await session.scalars(in_order.limit(limit).offset(offset))
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/rules",
    summary="Make a routing rule",
    status_code=201,
    responses=documented("unknown-project", "event-not-allowed", "invalid-request"),
)
async def make_rule(context: Ctx, wish: NewRule, response: Response) -> RuleItem:
    """It acts on studies that arrive from now on; one that is here already can be assigned or coupled."""
    row = RoutingRule(id=new_id(), active=True, created_at=now(), **wish.model_dump())
    async with context.database.session() as session:
        _check_event(await get_project(session, wish.project), wish.event)
        session.add(row)
    response.headers["Location"] = f"/api/v1/rules/{row.id}"
    return made(response, _item(row))


@router.get("/rules/{identity}", summary="One routing rule", responses=documented("unknown-rule") | SHOWN)
async def show_rule(context: Ctx, identity: Identity, shown: Shown) -> RuleItem:
    """The same as in the list."""
    async with context.database.reading() as session:
        row = await session.get(RoutingRule, identity)
    if row is None:
        raise Problem("unknown-rule")
    return shown(_item(row))


@router.patch(
    "/rules/{identity}",
    summary="Change a routing rule",
    responses=documented("unknown-rule", "event-not-allowed", "invalid-request", *EDITED),
)
async def change_rule(context: Ctx, identity: Identity, wish: RuleChange, edit: Edit) -> RuleItem:
    """It holds for studies that arrive from now on."""
    async with context.database.session() as session:
        row = await _edited(session, identity, edit)
        if "event" in wish.model_fields_set:
            _check_event(await get_project(session, row.project), wish.event)
        for field, value in wish.given().items():
            setattr(row, field, value)
        if row.patient_id is None and row.patient_name is None:
            raise invalid(FieldError(loc=["body", "patient_id"], msg=NOBODY, type="nobody"))
        return edit.made(_item(row))


@router.delete(
    "/rules/{identity}",
    summary="Remove a routing rule",
    status_code=204,
    responses=documented("unknown-rule", *EDITED),
)
async def remove_rule(context: Ctx, identity: Identity, edit: Edit) -> None:
    """What it has assigned so far stays assigned."""
    async with context.database.session() as session:
        await session.delete(await _edited(session, identity, edit))


async def _edited(session: AsyncSession, identity: str, edit: Edit) -> RoutingRule:
    row = await session.get(RoutingRule, identity, with_for_update=True)
    if row is None:
        raise Problem("unknown-rule")
    edit.check(_item(row))
    return row


def _check_event(project: Project, event: str) -> None:
    if project.events and event not in project.events:
        raise Problem("event-not-allowed", f"there are: {', '.join(project.events)}")


def _item(row: RoutingRule) -> RuleItem:
    return RuleItem(
        id=row.id,
        project=row.project,
        position=row.position,
        active=row.active,
        called_aet=row.called_aet,
        calling_aet=row.calling_aet,
        patient_id=row.patient_id,
        patient_name=row.patient_name,
        event=row.event,
        created_at=row.created_at,
    )
