"""Routing rules: studies of certain AE titles whose patient fits belong to a project. They act on what comes."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Change, Page, Shape, example
from services.api.etags import EDITED, SHOWN, Edit, Shown, made
from services.api.lists import part
from services.api.needs import AeTitle, AttributePath, Ctx, EventName, Expression, Identity, Limit, Offset, ProjectName
from services.api.participation import check_event
from services.api.problems import FieldError, documented, invalid
from services.api.projects import check_open, get_project
from services.api.rows import get_row
from services.api.sight import in_sight
from shared.database import lock
from shared.registry.auto_ids import parse
from shared.tables import Project, RoutingRule
from shared.tables.base import new_id, now

router = APIRouter(tags=["rules"])
ORDER = RoutingRule.position, RoutingRule.id
"""In which rules are tried."""
APART = 10
"""Between positions, so that a rule can be put between two others."""

EXAMPLE = {
    "project": "ABCD-study",
    "position": 10,
    "called_aet": "ABCD",
    "calling_aet": None,
    "patient_id": r"ABCD-\d{4}",
    "patient_name": None,
    "attribute": None,
    "attribute_value": None,
    "auto_id": False,
    "site": "",
    "event": "baseline",
}
SiteOrNone = Annotated[str, Field(max_length=64, pattern=r"^[^\\\x00-\x1f\x7f]*$")]
AUTO_ID = Field(default=False, description="the project makes up the participant, whatever the patient is called")


def fault(rule: "NewRule | RoutingRule") -> FieldError | None:
    """What a rule lacks to mean something."""
    if (rule.attribute is None) != (rule.attribute_value is None):
        return FieldError(loc=["attribute"], msg="attribute and attribute_value belong together", type="incomplete")
    somebody = rule.patient_id or rule.patient_name
    if not somebody and not rule.auto_id:
        msg = "patient_id or patient_name, unless auto_id: without either nobody is the participant"
        return FieldError(loc=["patient_id"], msg=msg, type="nobody")
    if not somebody and not (rule.called_aet or rule.calling_aet or rule.attribute):
        return FieldError(loc=["auto_id"], msg="needs a condition: it would take every study", type="everybody")
    return None


class NewRule(Shape):
    """A rule: (called or calling AE title) and (PatientID or PatientName) and attribute, as far as it gives them.

    The identity that fits becomes the participant, unless the project makes one up.
    """

    model_config = example(**EXAMPLE)
    project: ProjectName
    position: int | None = Field(
        default=None,
        ge=-1_000_000,
        le=1_000_000,
        description="the first rule of a project that fits wins; null: after all that there are",
    )
    called_aet: AeTitle | None = None
    calling_aet: AeTitle | None = None
    patient_id: Expression | None = Field(default=None, description="regular expression, whole match")
    patient_name: Expression | None = Field(default=None, description="regular expression, whole match")
    attribute: AttributePath | None = Field(
        default=None, description="of the first file of any series: a keyword or tag, also nested or private"
    )
    attribute_value: Expression | None = Field(default=None, description="regular expression, found in the value")
    auto_id: bool = AUTO_ID
    site: SiteOrNone = Field(default="", description="data access group of participants that it makes")
    event: EventName = "Unknown"

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if (wrong := fault(self)) is not None:
            raise ValueError(wrong.msg)
        return self


class RuleChange(Change):
    """What is to be different in a rule; what is not named stays, and null takes a condition away."""

    model_config = example(position=20, patient_name=None, active=True)
    position: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    called_aet: AeTitle | None = None
    calling_aet: AeTitle | None = None
    patient_id: Expression | None = None
    patient_name: Expression | None = None
    attribute: AttributePath | None = None
    attribute_value: Expression | None = None
    auto_id: bool = AUTO_ID
    site: SiteOrNone = ""
    event: EventName = "Unknown"
    active: bool = Field(default=True, description="an inactive one takes no studies")


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
    attribute: str | None
    attribute_value: str | None
    auto_id: bool
    site: str
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
        rows, total = await part(session, RoutingRule, mine, ORDER, limit, offset)
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/rules",
    summary="Make a routing rule",
    status_code=201,
    responses=documented("unknown-project", "project-closed", "event-not-allowed", "invalid-request"),
)
async def make_rule(context: Ctx, wish: NewRule, response: Response) -> RuleItem:
    """It acts on studies that arrive from now on; one that is here already can be assigned or coupled."""
    row = RoutingRule(id=new_id(), active=True, created_at=now(), **wish.model_dump())
    async with context.database.session() as session:
        await lock(session, "rule order", wish.project)
        if wish.position is None:
            row.position = await last_place(session, wish.project)
        _check(await get_project(session, wish.project), row)
        session.add(row)
    response.headers["Location"] = f"/api/v1/rules/{row.id}"
    return made(response, _item(row))


async def last_place(session: AsyncSession, project: str) -> int:
    """After all rules that a project has."""
    latest = await session.scalar(select(func.max(RoutingRule.position)).where(RoutingRule.project == project))
    return APART if latest is None else latest + APART


@router.get("/rules/{identity}", summary="One routing rule", responses=documented("unknown-rule") | SHOWN)
async def show_rule(context: Ctx, identity: Identity, shown: Shown) -> RuleItem:
    """The same as in the list."""
    async with context.database.reading() as session:
        row = await get_row(session, RoutingRule, identity)
    return shown(_item(row))


@router.patch(
    "/rules/{identity}",
    summary="Change a routing rule",
    responses=documented("unknown-rule", "project-closed", "event-not-allowed", "invalid-request", *EDITED),
)
async def change_rule(context: Ctx, identity: Identity, wish: RuleChange, edit: Edit) -> RuleItem:
    """It holds for studies that arrive from now on."""
    async with context.database.session() as session:
        row = await _edited(session, identity, edit)
        for field, value in wish.given().items():
            setattr(row, field, value)
        _check(await get_project(session, row.project), row)
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
    row = await get_row(session, RoutingRule, identity, locked=True)
    edit.check(_item(row))
    return row


def _check(project: Project, row: RoutingRule) -> None:
    """A problem unless the rule means something, and the project is open and can do what it says."""
    check_open(project)
    if (wrong := fault(row)) is not None:
        raise invalid(FieldError(loc=["body", *wrong.loc], msg=wrong.msg, type=wrong.type))
    if row.auto_id and not project.auto_id_pattern:
        raise invalid(FieldError(loc=["body", "auto_id"], msg="the project has no auto_id_pattern", type="not_usable"))
    if row.auto_id and not row.site and parse(project.auto_id_pattern).needs_site:
        raise invalid(FieldError(loc=["body", "site"], msg="the project's auto_id_pattern names it", type="missing"))
    check_event(project, row.event)


def _item(row: RoutingRule) -> RuleItem:
    return RuleItem.model_validate(row, from_attributes=True)
