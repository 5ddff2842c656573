"""Routing rules: studies of certain AE titles whose patient fits belong to a project. They act on what comes."""

from datetime import datetime
from typing import Self

from fastapi import APIRouter, Response
from pydantic import Field, model_validator
from sqlalchemy import delete, func, select

from services.api.answers import Page, Shape, example
from services.api.needs import AeTitle, Ctx, EventName, Expression, Limit, Offset, ProjectName
from services.api.problems import Problem, documented
from services.api.resources.projects import get_project
from shared.tables import RoutingRule
from shared.tables.base import new_id, now

router = APIRouter(tags=["rules"])

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
            raise ValueError("patient_id or patient_name: without either it fits nobody")
        return self


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
async def list_rules(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[RuleItem]:
    """Of all projects."""
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(RoutingRule)) or 0
        rows = await session.scalars(
            select(RoutingRule).order_by(RoutingRule.position, RoutingRule.id).limit(limit).offset(offset)
        )
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
        project = await get_project(session, wish.project)
        if project.events and wish.event not in project.events:
            raise Problem("event-not-allowed", f"there are: {', '.join(project.events)}")
        session.add(row)
    response.headers["Location"] = f"/api/v1/rules/{row.id}"
    return _item(row)


@router.delete(
    "/rules/{identity}", summary="Remove a routing rule", status_code=204, responses=documented("unknown-rule")
)
async def remove_rule(context: Ctx, identity: str) -> None:
    """What it has assigned so far stays assigned."""
    async with context.database.session() as session:
        this = RoutingRule.id == identity
        removed = await session.execute(delete(RoutingRule).where(this).returning(RoutingRule.id))
        if not removed.all():
            raise Problem("unknown-rule")


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
