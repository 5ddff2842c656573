"""REDCap: how it is with each project there, where gateway and REDCap differ, and the wish to know or to mend it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Limit, Offset, ProjectName
from services.api.problems import Problem, documented
from services.api.sight import in_sight
from shared.bus import Message
from shared.events import RedcapComparisonRequested
from shared.ledger import add
from shared.tables import RedcapDifference, RedcapOwed, RedcapTarget
from shared.tables.base import new_id

router = APIRouter(tags=["redcap"])
Scope = Literal["incoming", "tables", "project"]
SCOPES: dict[str, Scope] = {"": "incoming", "*": "tables"}
"""How what is no project's is called in the tables, and here."""

REASONS = 5
"""How many of them are shown."""


class TargetItem(Shape):
    """A REDCap project that is written to, or the tables there that are read."""

    model_config = example(
        scope="project",
        project="ABCD-study",
        owed=2,
        waiting=1,
        waits_for=["field img_study_date is not defined"],
        problem=None,
        next_try_at=None,
        written_at="2026-01-02T10:33:00Z",
        comparing=False,
        compared="5f0f3a55-6f1c-4a7e-8b39-5d2f4d1c9a10",
        compared_at="2026-01-02T02:00:05Z",
        differences=3,
    )
    scope: Scope = Field(description="incoming: of all studies; tables: what is read; project: a project's own")
    project: str | None
    owed: int = Field(description="to be written, those that wait included")
    waiting: int = Field(description="of these, what waits for a person")
    waits_for: list[str] = Field(description="why, the first few")
    problem: str | None = Field(description="why nothing can be written or read at all")
    next_try_at: datetime | None
    written_at: datetime | None
    comparing: bool = Field(description="a comparison is asked for and not done yet")
    compared: str | None = Field(description="the last comparison that was done")
    compared_at: datetime | None
    differences: int


class DifferenceItem(Shape):
    """Something on which gateway and REDCap disagree."""

    model_config = example(
        scope="project",
        project="ABCD-study",
        kind="imaging",
        subject="6b6f8f0c-8b0e-4d06-a2b4-1f9d6d2e8a77",
        side="gateway",
        what="not in imaging there",
        found_at="2026-01-02T02:00:05Z",
    )
    scope: Scope
    project: str | None
    kind: str = Field(description="study, series, transfer, imaging, participant; definition; project, rule, coupling")
    subject: str = Field(description="its UID, id, pseudonym, number of the record there, or whose definition")
    side: Literal["gateway", "redcap", "both"] = Field(description="only here, only there, or there otherwise")
    what: str
    found_at: datetime


class NewComparison(Shape):
    """What is to be compared: all, or one."""

    model_config = example(scope="project", project="ABCD-study", repair=True)
    scope: Scope | None = Field(default=None, description="null: all there are")
    project: ProjectName | None = Field(default=None, description="for scope project; null: all of that scope")
    repair: bool = Field(default=False, description="what is missing there is written again; nothing is ever removed")


class ComparisonItem(Shape):
    """A comparison that will be done: when it is, `compared` of its target has this id, or that of one asked later."""

    model_config = example(id="5f0f3a55-6f1c-4a7e-8b39-5d2f4d1c9a10", scope="project", project="ABCD-study")
    id: str
    scope: Scope
    project: str | None


@router.get("/redcap", summary="How it is with REDCap")
async def list_redcap(context: Ctx, who: Who, limit: Limit = 100, offset: Offset = 0) -> Page[TargetItem]:
    """Each REDCap project that is configured; none: REDCap is not used."""
    used = RedcapTarget.configured.is_(True) & in_sight(who, "list_redcap", RedcapTarget.project)
    async with context.database.reading() as session:
        rows, total = await part(session, RedcapTarget, [used], [RedcapTarget.project], limit, offset)
        return Page(items=await _items(session, list(rows)), total=total)


@router.get("/redcap/differences", summary="Where gateway and REDCap differed when they were last compared")
async def list_redcap_differences(
    context: Ctx,
    who: Who,
    scope: Scope | None = None,
    project: ProjectName | None = None,
    kind: Annotated[str | None, Query(max_length=16)] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[DifferenceItem]:
    """Fields are named, their values never."""
    mine = _of(RedcapDifference.project, scope, project)
    mine.append(in_sight(who, "list_redcap_differences", RedcapDifference.project))
    if kind is not None:
        mine.append(RedcapDifference.kind == kind)
    order = RedcapDifference.project, RedcapDifference.kind, RedcapDifference.subject, RedcapDifference.id
    async with context.database.reading() as session:
        rows, total = await part(session, RedcapDifference, mine, order, limit, offset)
        return Page(items=[_difference(row) for row in rows], total=total)


@router.post(
    "/redcap/comparisons",
    summary="Compare gateway and REDCap",
    status_code=202,
    responses=documented("no-redcap", "invalid-request"),
)
async def compare_redcap(context: Ctx, who: Who, wish: NewComparison) -> Page[ComparisonItem]:
    """It is done as soon as all that was owed is written; `GET /redcap` says when."""
    mine = [RedcapTarget.configured.is_(True), *_of(RedcapTarget.project, wish.scope, wish.project)]
    mine.append(in_sight(who, "compare_redcap", RedcapTarget.project))
    async with context.database.session() as session:
        targets = list(await session.scalars(select(RedcapTarget.project).where(*mine).order_by(RedcapTarget.project)))
        if not targets:
            raise Problem("no-redcap")
        events = [
            RedcapComparisonRequested(comparison=new_id(), project=target, repair=wish.repair) for target in targets
        ]
        await add(session, [Message.of(event) for event in events])
    context.relay.wake()
    items = [
        ComparisonItem(id=event.comparison, scope=_scope(event.project), project=_project(event.project))
        for event in events
    ]
    return Page(items=items, total=len(items))


def _of(column: InstrumentedAttribute[str], scope: Scope | None, project: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if project is not None:
        conditions.append(column == project)
    if scope == "project":
        conditions.append(column.not_in(list(SCOPES)))
    elif scope is not None:
        conditions.append(column.in_([key for key, value in SCOPES.items() if value == scope]))
    return conditions


async def _items(session: AsyncSession, rows: Sequence[RedcapTarget]) -> list[TargetItem]:
    names = [row.project for row in rows]
    mine, of_mine = RedcapOwed.project.in_(names), RedcapDifference.project.in_(names)
    parked = RedcapOwed.due_at.is_(None)
    owed = await _counted(session, RedcapOwed.project, mine)
    waiting = await _counted(session, RedcapOwed.project, mine, parked)
    differences = await _counted(session, RedcapDifference.project, of_mine)
    why = select(RedcapOwed.project, RedcapOwed.problem).where(mine, parked, RedcapOwed.problem.is_not(None))
    reasons: dict[str, list[str]] = {}
    for name, reason in await session.execute(why.distinct().order_by(RedcapOwed.problem)):
        reasons.setdefault(name, []).append(reason or "")
    return [
        TargetItem(
            scope=_scope(row.project),
            project=_project(row.project),
            owed=owed.get(row.project, 0),
            waiting=waiting.get(row.project, 0),
            waits_for=reasons.get(row.project, [])[:REASONS],
            problem=row.problem,
            next_try_at=row.due_at if row.problem else None,
            written_at=row.written_at,
            comparing=row.comparison is not None,
            compared=row.compared,
            compared_at=row.compared_at,
            differences=differences.get(row.project, 0),
        )
        for row in rows
    ]


async def _counted(
    session: AsyncSession, column: InstrumentedAttribute[str], *conditions: ColumnElement[bool]
) -> dict[str, int]:
    query = select(column, func.count()).where(*conditions).group_by(column)
    return dict((await session.execute(query)).all())


def _difference(row: RedcapDifference) -> DifferenceItem:
    return DifferenceItem(
        scope=_scope(row.project),
        project=_project(row.project),
        kind=row.kind,
        subject=row.subject,
        side=row.side,
        what=row.what,
        found_at=row.found_at,
    )


def _scope(name: str) -> Scope:
    return SCOPES.get(name, "project")


def _project(name: str) -> str | None:
    return None if name in SCOPES else name
