"""Reviews: a person decides about instances in quarantine, and each instance is decided about once.

A decision, its instances and the event are committed together; the router takes it from there.
"""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.judging import reviews
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName, Prose, Uid
from services.api.problems import Problem, documented
from services.api.projects import get_project
from services.api.release import refused
from services.api.resources.quarantine import OF_IT, TRANSFER, Decision, RuleName
from services.api.rows import get_row
from services.api.sight import in_sight_by_transfer
from shared.bus import Message
from shared.crypto import Vault
from shared.database import insert_new, lock
from shared.events import QuarantineReviewed
from shared.ledger import add
from shared.log import logger
from shared.registry.projects import open_for_transfers, today
from shared.tables import QuarantinedInstance, QuarantineReview, ReviewedInstance, Transfer
from shared.tables.base import new_id, now
from shared.transfers import STOPPED

router = APIRouter(tags=["quarantine"])
log = logger("api")
Found = Select[QuarantineReview, str, str]
"""Reviews, and the transfers that they have caused (NULL: none): id and state."""


class NewReview(Shape):
    """What is decided, why, and about which instances: named ones, or all open ones of a rule, a series, or at all."""

    model_config = example(
        decision="release",
        reason="the phantom's name, not a person's",
        rule="gate-name",
        series="1.2.826.0.1.3680043.8.498.1.2",
    )
    decision: Decision = Field(
        description="release: let pass what was stopped; repeat: try again by the project's profile of now; drop: never"
    )
    reason: Prose = Field(description="kept encrypted: people write names")
    instances: list[Uid] | None = Field(default=None, min_length=1, max_length=10_000)
    rule: RuleName | None = None
    series: Uid | None = None
    all: bool = Field(default=False, description="everything of the transfer that is open")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        named = (self.instances is not None) + (self.rule is not None or self.series is not None) + self.all
        if named != 1:
            raise ValueError("one of: instances; rule, series or both; all")
        return self


class ReviewItem(Shape):
    """A decision, and what came of it."""

    model_config = example(
        id="5b0c7c3e-1b7e-4c43-9f4e-3c1d6b1f4a77",
        transfer=TRANSFER,
        project="ABCD-study",
        decision="release",
        reason=None,
        reviewer="k.olsen",
        instances=40,
        rules={"text-in-pixels": 40},
        next_transfer="7d8f7c3e-53b7-4a43-8f4e-3c1d6b1f4b01",
        next_state="completed",
        created_at="2026-01-03T09:00:00Z",
    )
    id: str
    transfer: str
    project: str
    decision: Decision
    reason: str | None = Field(description="for those who review; null for others")
    reviewer: str
    instances: int
    rules: dict[str, int] = Field(description="what had stopped them, and how many")
    next_transfer: str | None = Field(description="that the decision has caused; null: none, or not yet")
    next_state: str | None
    created_at: datetime


@router.post(
    "/transfers/{identity}/reviews",
    summary="Decide about instances in quarantine",
    status_code=201,
    responses=documented(
        "unknown-transfer",
        "unknown-quarantined-instance",
        "already-reviewed",
        "not-releasable",
        "project-inactive",
        "transfer-ended",
        "invalid-request",
    ),
)
async def decide(context: Ctx, who: Who, identity: Identity, wish: NewReview, response: Response) -> ReviewItem:
    """All or nothing."""
    async with context.database.session() as session:
        await lock(session, "review", identity)
        transfer = await get_row(session, Transfer, identity)
        project = await get_project(session, transfer.project)
        if wish.decision != "drop" and (closed := open_for_transfers(project, today())):
            raise Problem("project-inactive", closed)
        if wish.decision != "drop" and transfer.state in STOPPED:
            raise Problem("transfer-ended", f"it is {transfer.state}: nothing of it is sent any more")
        found = await _named(session, identity, wish)
        if wish.decision == "release" and (why := refused({row.rule for row in found})):
            raise Problem("not-releasable", "; ".join(why))
        review = QuarantineReview(
            id=new_id(),
            transfer=identity,
            project=transfer.project,
            decision=wish.decision,
            reason=context.vault.encrypt(wish.reason),
            reviewer=who.name,
            created_at=now(),
        )
        session.add(review)
        await session.flush()
        if await insert_new(session, ReviewedInstance, [_reviewed(review, row) for row in found]) != len(found):
            raise Problem("already-reviewed")
        event = QuarantineReviewed(review=review.id, transfer=identity, decision=wish.decision, instances=len(found))
        await add(session, [Message.of(event)])
        [item] = await _items(session, context.vault, _reviews().where(QuarantineReview.id == review.id), who)
    context.relay.wake()
    log.info("quarantine reviewed", transfer=identity, outcome=wish.decision, instances=len(found))
    response.headers["Location"] = f"/api/v1/reviews/{review.id}"
    return item


@router.get(
    "/reviews",
    summary="What was decided about quarantine, latest first",
)
async def list_reviews(
    context: Ctx,
    who: Who,
    project: Annotated[ProjectName | None, Query()] = None,
    transfer: Annotated[Identity | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[ReviewItem]:
    """With the reasons for those who review in the project, without them for everybody else."""
    wanted = {QuarantineReview.project: project, QuarantineReview.transfer: transfer}
    where = [column == value for column, value in wanted.items() if value is not None]
    where.append(in_sight_by_transfer(who, "list_reviews", QuarantineReview.project, QuarantineReview.transfer))
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(QuarantineReview).where(*where)) or 0
        query = _reviews().where(*where).limit(limit).offset(offset)
        return Page(items=await _items(session, context.vault, query, who), total=total)


@router.get(
    "/reviews/{identity}",
    summary="One decision about quarantine",
    responses=documented("unknown-review"),
)
async def show_review(context: Ctx, who: Who, identity: Identity) -> ReviewItem:
    """The same as in the list; its instances are in `/quarantine?state=all&review=…`."""
    async with context.database.reading() as session:
        query = _reviews().where(QuarantineReview.id == identity)
        items = await _items(session, context.vault, query, who)
    if not items:
        raise Problem("unknown-review")
    return items[0]


async def _named(session: AsyncSession, transfer: str, wish: NewReview) -> list[QuarantinedInstance]:
    """The instances that are meant; a problem when one is not in quarantine, or was decided about by somebody."""
    where = [QuarantinedInstance.transfer == transfer]
    if wish.instances is not None:
        where.append(QuarantinedInstance.sop_instance_uid.in_(wish.instances))
    if wish.rule is not None:
        where.append(QuarantinedInstance.rule == wish.rule)
    if wish.series is not None:
        where.append(QuarantinedInstance.series_instance_uid == wish.series)
    query = select(QuarantinedInstance, ReviewedInstance.review).outerjoin(ReviewedInstance, OF_IT)
    rows = (await session.execute(query.where(*where).order_by(QuarantinedInstance.sop_instance_uid))).all()
    if len(rows) < len(set(wish.instances or ())) or not rows:
        raise Problem("unknown-quarantined-instance")
    undecided = [row for row, review in rows if review is None]
    if not undecided or (wish.instances is not None and len(undecided) < len(rows)):
        raise Problem("already-reviewed")
    return undecided


def _reviewed(review: QuarantineReview, row: QuarantinedInstance) -> dict[str, Any]:
    copied = ("transfer", "sop_instance_uid", "series_instance_uid", "revision", "rule")
    return {"review": review.id} | {name: getattr(row, name) for name in copied}


def _reviews() -> Found:
    return (
        select(QuarantineReview, Transfer.id, Transfer.state)
        .outerjoin(Transfer, Transfer.review == QuarantineReview.id)
        .order_by(QuarantineReview.created_at.desc(), QuarantineReview.id)
    )


async def _items(session: AsyncSession, vault: Vault, query: Found, who: Actor) -> list[ReviewItem]:
    rows = (await session.execute(query)).all()
    counted = await session.execute(
        select(ReviewedInstance.review, ReviewedInstance.rule, func.count())
        .where(ReviewedInstance.review.in_([row[0].id for row in rows]))
        .group_by(ReviewedInstance.review, ReviewedInstance.rule)
    )
    rules: dict[str, dict[str, int]] = {}
    for review, rule, number in counted:
        rules.setdefault(review, {})[rule] = number
    return [_item(*row, rules=rules.get(row[0].id, {}), reason=_reason(vault, who, row[0])) for row in rows]


def _reason(vault: Vault, who: Actor, review: QuarantineReview) -> str | None:
    return vault.decrypt(review.reason) if reviews(who, review.project) else None


def _item(
    review: QuarantineReview,
    next_transfer: str | None,
    next_state: str | None,
    rules: dict[str, int],
    reason: str | None,
) -> ReviewItem:
    return ReviewItem(
        id=review.id,
        transfer=review.transfer,
        project=review.project,
        decision=review.decision,
        reason=reason,
        reviewer=review.reviewer,
        instances=sum(rules.values()),
        rules=rules,
        next_transfer=next_transfer,
        next_state=next_state,
        created_at=review.created_at,
    )
