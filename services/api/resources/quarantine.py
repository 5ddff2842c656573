"""Quarantine: what stays here and why, instance by instance and as how often over each series."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVarTuple

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement, Select, and_, distinct, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification.errors import RELEASABLE
from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName, Uid
from services.api.problems import documented
from services.api.release import advice
from services.api.rows import get_row
from services.api.sight import in_sight_by_transfer
from shared.tables import QuarantinedInstance, QuarantineReview, ReviewedInstance, Transfer, TransferPart

router = APIRouter(tags=["quarantine"])

Columns = TypeVarTuple("Columns")
Decision = Literal["release", "repeat", "drop"]
QuarantineState = Literal["open", "decided", "all"]
RuleName = Annotated[str, Field(max_length=40, pattern=r"^[a-z0-9-]*$")]

TRANSFER = "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11"
EXAMPLE = {
    "transfer": TRANSFER,
    "project": "ABCD-study",
    "sop_instance_uid": "1.2.826.0.1.3680043.8.498.1.2.7",
    "series_instance_uid": "1.2.826.0.1.3680043.8.498.1.2",
    "revision": 1,
    "rule": "text-in-pixels",
    "reason": "ultrasound may have text in its pixels [text-in-pixels]",
    "where": "(7FE0,0010)",
    "releasable": True,
    "advice": "look at the image; release it, or let the profile read it and repeat, or drop it",
    "review": None,
    "decision": None,
    "created_at": "2026-01-02T10:40:00Z",
}


class QuarantineItem(Shape):
    """An instance that could not be de-identified whole, why, and what was decided about it."""

    model_config = example(**EXAMPLE)
    transfer: str
    project: str
    sop_instance_uid: str = Field(description="of the source")
    series_instance_uid: str
    revision: int
    rule: str = Field(description="short stable name of what stopped it; empty: of a time that did not note it")
    reason: str
    where: str = Field(description="attribute path, items counted from 0; empty: the file itself")
    releasable: bool = Field(description="whether a person may let it pass as it is")
    advice: str = Field(description="what can be done")
    review: str | None = Field(description="that decided about it; null: nobody has")
    decision: Decision | None
    created_at: datetime


class QuarantineGroup(Shape):
    """How often a rule has stopped instances of a series in one transfer."""

    model_config = example(
        transfer=TRANSFER,
        project="ABCD-study",
        series_instance_uid=EXAMPLE["series_instance_uid"],
        rule="text-in-pixels",
        reason=EXAMPLE["reason"],
        releasable=True,
        advice=EXAMPLE["advice"],
        quarantined=40,
        open=40,
        of=42,
        places=1,
        where="(7FE0,0010)",
    )
    transfer: str
    project: str
    series_instance_uid: str
    rule: str
    reason: str = Field(description="of one of them")
    releasable: bool
    advice: str
    quarantined: int = Field(description="instances of the series that the rule has stopped")
    open: int = Field(description="of them, those that nobody has decided about")
    of: int = Field(description="instances of the series in the transfer")
    places: int = Field(description="how many attribute paths it was")
    where: str = Field(description="the first of them")


class Asked(Shape):
    """Which part of quarantine is meant."""

    project: ProjectName | None = None
    transfer: Identity | None = None
    series: Uid | None = None
    rule: RuleName | None = None
    review: Identity | None = None
    state: QuarantineState = "open"

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row has to fulfil."""
        wanted = {
            QuarantinedInstance.project: self.project,
            QuarantinedInstance.transfer: self.transfer,
            QuarantinedInstance.series_instance_uid: self.series,
            QuarantinedInstance.rule: self.rule,
            ReviewedInstance.review: self.review,
        }
        where = [column == value for column, value in wanted.items() if value is not None]
        if self.state == "open":
            where.append(ReviewedInstance.review.is_(None))
        elif self.state == "decided":
            where.append(ReviewedInstance.review.is_not(None))
        return where


def _asked(
    project: Annotated[ProjectName | None, Query()] = None,
    transfer: Annotated[Identity | None, Query()] = None,
    series: Annotated[Uid | None, Query(description="SeriesInstanceUID of the source")] = None,
    rule: Annotated[RuleName | None, Query(description="what stopped it")] = None,
    review: Annotated[Identity | None, Query(description="decided about by this review")] = None,
    state: Annotated[QuarantineState, Query(description="whether somebody has decided about it")] = "open",
) -> Asked:
    return Asked(project=project, transfer=transfer, series=series, rule=rule, review=review, state=state)


Filter = Annotated[Asked, Depends(_asked)]

OF_IT = and_(
    ReviewedInstance.transfer == QuarantinedInstance.transfer,
    ReviewedInstance.sop_instance_uid == QuarantinedInstance.sop_instance_uid,
)


@router.get("/quarantine", summary="Instances in quarantine, latest first")
async def list_quarantine(
    context: Ctx, who: Who, asked: Filter, limit: Limit = 100, offset: Offset = 0
) -> Page[QuarantineItem]:
    """Of all projects in sight; those that wait for a decision, unless `state` says otherwise."""
    mine = _in_sight(who, "list_quarantine")
    async with context.database.reading() as session:
        return await page_of_quarantine(session, asked, limit, offset, mine)


@router.get("/quarantine/groups", summary="How often each rule has stopped instances of a series")
async def group_quarantine(
    context: Ctx, who: Who, asked: Filter, limit: Limit = 100, offset: Offset = 0
) -> Page[QuarantineGroup]:
    """Rule by series by transfer, the most frequent first."""
    by = (
        QuarantinedInstance.transfer,
        QuarantinedInstance.project,
        QuarantinedInstance.series_instance_uid,
        QuarantinedInstance.rule,
    )
    counted = func.count().label("quarantined")
    groups = _joined(
        select(
            *by,
            func.min(QuarantinedInstance.reason).label("reason"),
            counted,
            (func.count() - func.count(ReviewedInstance.review)).label("open"),
            func.count(distinct(QuarantinedInstance.where)).label("places"),
            func.min(QuarantinedInstance.where).label("where"),
        )
    ).where(*asked.conditions(), _in_sight(who, "group_quarantine"))
    groups = groups.group_by(*by)
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(groups.subquery())) or 0
        rows = (await session.execute(groups.order_by(counted.desc(), *by).limit(limit).offset(offset))).all()
        sizes = await _sizes(session, [(row.transfer, row.series_instance_uid) for row in rows])
    items = [
        QuarantineGroup(
            **row._asdict(),
            of=sizes.get((row.transfer, row.series_instance_uid), row.quarantined),
            releasable=row.rule in RELEASABLE,
            advice=advice(row.rule),
        )
        for row in rows
    ]
    return Page(items=items, total=total)


@router.get(
    "/transfers/{identity}/quarantine",
    summary="What of a transfer is in quarantine",
    responses=documented("unknown-transfer"),
)
async def list_quarantine_of_transfer(
    context: Ctx,
    identity: Identity,
    state: Annotated[QuarantineState, Query(description="whether somebody has decided about it")] = "all",
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[QuarantineItem]:
    """Decided about or not."""
    async with context.database.reading() as session:
        await get_row(session, Transfer, identity)
        return await page_of_quarantine(session, Asked(transfer=identity, state=state), limit, offset)


async def page_of_quarantine(
    session: AsyncSession, asked: Asked, limit: int, offset: int, *more: ColumnElement[bool]
) -> Page[QuarantineItem]:
    """A part of what is asked for, latest first; `more`: what a row has to fulfil beside it."""
    where = [*asked.conditions(), *more]
    total = await session.scalar(_joined(select(func.count())).where(*where)) or 0
    rows = await session.execute(
        _joined(select(QuarantinedInstance, ReviewedInstance.review, QuarantineReview.decision))
        .outerjoin(QuarantineReview, QuarantineReview.id == ReviewedInstance.review)
        .where(*where)
        .order_by(
            QuarantinedInstance.created_at.desc(), QuarantinedInstance.transfer, QuarantinedInstance.sop_instance_uid
        )
        .limit(limit)
        .offset(offset)
    )
    return Page(items=[_item(row, review, decision) for row, review, decision in rows], total=total)


def _in_sight(who: Actor, operation: str) -> ColumnElement[bool]:
    return in_sight_by_transfer(who, operation, QuarantinedInstance.project, QuarantinedInstance.transfer)


def _joined(query: Select[*Columns]) -> Select[*Columns]:
    """Every quarantined instance beside what was decided about it, if anything was."""
    return query.select_from(QuarantinedInstance).outerjoin(ReviewedInstance, OF_IT)


async def _sizes(session: AsyncSession, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Instances of each series (transfer, SeriesInstanceUID), each part counted once however many destinations."""
    series = TransferPart.transfer, TransferPart.series_instance_uid
    transfers = {transfer for transfer, _ in wanted}
    parts = (
        select(*series, func.max(TransferPart.instances).label("instances"))
        .where(TransferPart.transfer.in_(transfers))
        .group_by(*series, TransferPart.revision)
        .subquery()
    )
    columns = parts.c.transfer, parts.c.series_instance_uid
    rows = await session.execute(select(*columns, func.sum(parts.c.instances)).group_by(*columns))
    return {(transfer, uid): int(number) for transfer, uid, number in rows}


def _item(row: QuarantinedInstance, review: str | None, decision: Any) -> QuarantineItem:
    own = {name: getattr(row, name) for name in QuarantineItem.model_fields if name in row.__table__.columns}
    return QuarantineItem(
        **own, releasable=row.rule in RELEASABLE, advice=advice(row.rule), review=review, decision=decision
    )
