"""The janitor: what may go and what went, what does not fit together, and the word by which it begins or stops."""

from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Offset
from services.api.problems import Problem, documented
from shared.retention.orders import last_word
from shared.retention.rows import ELSEWHERE
from shared.tables import JanitorFinding, JanitorLine, JanitorOrder, JanitorRun, JanitorState
from shared.tables.base import new_id, now

router = APIRouter(tags=["janitor"])
RUN = "7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa"
Kind = Literal["report", "sweep", "examine", "heal"]


class JanitorItem(Shape):
    """How it is with the janitor."""

    model_config = example(
        going=False,
        said_by="",
        said_at=None,
        seen_at="2026-01-02T10:15:00Z",
        policies={"archive": {"high": 80, "low": 70, "min_days": 30}},
        disks={"archive": {"capacity": 4000000000000, "used": 3300000000000, "percent": 82.5}},
        elsewhere={"audit_entries": "kept for good: a chain from which nothing can be taken"},
    )
    going: bool = Field(description="false: it only reports what it would remove")
    said_by: str = Field(description="who has said go or stop last; empty: nobody has said either")
    said_at: datetime | None
    seen_at: datetime | None = Field(description="the last sign of life of a janitor; null: none has run here")
    policies: dict[str, Any] = Field(description="those of the janitor that was seen")
    disks: dict[str, Any] = Field(description="by tree, as they were measured last; bytes")
    elsewhere: dict[str, str] = Field(description="what no policy is about, and why")


class RunItem(Shape):
    """A run: over all policies, or over files and rows."""

    model_config = example(
        id=RUN,
        kind="report",
        order=None,
        state="done",
        phase=9,
        counts={"archive": {"need": 400000000000, "may_go": 120, "bytes": 400100000000, "kept": {"it is recent": 4}}},
        removed={},
        open=0,
        started_at="2026-01-02T10:00:00Z",
        finished_at="2026-01-02T10:00:07Z",
    )
    id: str
    kind: str = Field(description="report, sweep; examine, heal")
    order: str | None = Field(description="whose wish it was; null: its time had come")
    state: str = Field(description="running, done or stopped")
    phase: int = Field(description="how many policies are behind it")
    counts: dict[str, Any] = Field(description="by policy: what may go, and why what stays")
    removed: dict[str, dict[str, int]] = Field(description="by policy: what has been removed")
    open: int = Field(description="removals that were asked for and not answered yet")
    started_at: datetime
    finished_at: datetime | None


class LineItem(Shape):
    """One thing that may go, and what became of it."""

    model_config = example(
        kind="archive",
        subject="1.2.826.0.1.3680043.8.498.1",
        state="removed",
        size=427819008,
        removed={"files": 812, "bytes": 427819008},
        why="the disk is too full",
        at="2026-01-02T10:00:04Z",
    )
    kind: str = Field(description="the policy")
    subject: str = Field(description="StudyInstanceUID, transfer, export, table, or part of a tree")
    state: str = Field(description="planned (a report), asked, removed or kept")
    size: int = Field(description="bytes that it was thought to give back")
    removed: dict[str, int]
    why: str = Field(description="why it may go, or why it stays")
    at: datetime


class FindingItem(Shape):
    """Something that does not fit together."""

    model_config = example(
        sort="row_without_file",
        subject="archive/scp_1.2.826.0.1.3680043.8.498.1",
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        number=2,
        meaning="nobody has assigned it: ask the sender for the study again",
        healing="",
    )
    sort: str
    subject: str
    study_instance_uid: str | None
    number: int = Field(description="how many files, rows or links it stands for")
    meaning: str
    healing: str = Field(description="what was set going; empty: nothing")


class NewRun(Shape):
    """A run that somebody wants now."""

    model_config = example(kind="report")
    kind: Kind


class OrderItem(Shape):
    """What was asked of the janitor; the run of it has `order` as this id."""

    model_config = example(id=RUN, kind="report")
    id: str
    kind: str


@router.get("/janitor", summary="How it is with the janitor")
async def show_janitor(context: Ctx) -> JanitorItem:
    """Whether it removes anything, by which policies, and how full the disks are."""
    async with context.database.reading() as session:
        word = await last_word(session)
        state = await session.scalar(select(JanitorState))
    return JanitorItem(
        going=word is not None and word.kind == "go",
        said_by=word.by if word else "",
        said_at=word.created_at if word else None,
        seen_at=state.seen_at if state else None,
        policies=state.policies if state else {},
        disks=state.disks if state else {},
        elsewhere=dict(ELSEWHERE),
    )


@router.post("/janitor/go", summary="Let the janitor remove", responses=documented("nothing-reported"))
async def let_janitor_go(context: Ctx, who: Who) -> JanitorItem:
    """Only after a report by the policies that it has now: what it would remove is to be seen first."""
    async with context.database.session() as session:
        if not await _reported(session):
            raise Problem("nothing-reported")
        session.add(JanitorOrder(id=new_id(), kind="go", by=who.name, created_at=now()))
    return await show_janitor(context)


@router.post("/janitor/stop", summary="Let the janitor remove nothing more")
async def stop_janitor(context: Ctx, who: Who) -> JanitorItem:
    """From the next removal on; a file that is just being removed is."""
    async with context.database.session() as session:
        session.add(JanitorOrder(id=new_id(), kind="stop", by=who.name, created_at=now()))
    return await show_janitor(context)


@router.get("/janitor/runs", summary="Runs of the janitor, latest first")
async def list_janitor_runs(
    context: Ctx, kind: Kind | None = None, limit: Limit = 20, offset: Offset = 0
) -> Page[RunItem]:
    """Reports, sweeps and examinations."""
    which = [] if kind is None else [JanitorRun.kind == kind]
    async with context.database.reading() as session:
        latest = JanitorRun.started_at.desc(), JanitorRun.id
        rows, total = await part(session, JanitorRun, which, latest, limit, offset)
        return Page(items=[await _run(session, row) for row in rows], total=total)


@router.post("/janitor/runs", summary="Ask for a run", status_code=202, responses=documented("janitor-stopped"))
async def ask_for_janitor_run(context: Ctx, who: Who, wish: NewRun) -> OrderItem:
    """It begins when the one that is under way has ended: a dry run, a sweep, or a look at files and rows."""
    async with context.database.session() as session:
        word = await last_word(session)
        if wish.kind == "sweep" and (word is None or word.kind != "go"):
            raise Problem("janitor-stopped")
        order = JanitorOrder(id=new_id(), kind=wish.kind, by=who.name, created_at=now())
        session.add(order)
    return OrderItem(id=order.id, kind=order.kind)


@router.get("/janitor/runs/{identity}", summary="One run", responses=documented("unknown-run"))
async def show_janitor_run(context: Ctx, identity: Identity) -> RunItem:
    """By its own id, or by that of the wish for it."""
    async with context.database.reading() as session:
        return await _run(session, await _found(session, identity))


@router.get("/janitor/runs/{identity}/lines", summary="What may go by a run", responses=documented("unknown-run"))
async def list_janitor_lines(
    context: Ctx,
    identity: Identity,
    state: Literal["planned", "asked", "removed", "kept"] | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[LineItem]:
    """Each thing with what became of it."""
    async with context.database.reading() as session:
        run = await _found(session, identity)
        mine = [JanitorLine.run == run.id, *([] if state is None else [JanitorLine.state == state])]
        order = JanitorLine.kind, JanitorLine.subject
        rows, total = await part(session, JanitorLine, mine, order, limit, offset)
        items = [LineItem.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, total=total)


@router.get("/janitor/runs/{identity}/findings", summary="What does not fit", responses=documented("unknown-run"))
async def list_janitor_findings(
    context: Ctx, identity: Identity, limit: Limit = 100, offset: Offset = 0
) -> Page[FindingItem]:
    """Of an examination: files without rows, rows without files, and what that means."""
    async with context.database.reading() as session:
        run = await _found(session, identity)
        mine = JanitorFinding.run == run.id
        order = JanitorFinding.sort, JanitorFinding.subject
        rows, total = await part(session, JanitorFinding, [mine], order, limit, offset)
        items = [FindingItem.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, total=total)


async def _reported(session: AsyncSession) -> bool:
    """Whether there is a report, or somebody has let it go before."""
    ended = JanitorRun.kind == "report", JanitorRun.state == "done"
    return await session.scalar(select(JanitorRun.id).where(*ended).limit(1)) is not None


async def _found(session: AsyncSession, identity: str) -> JanitorRun:
    query = select(JanitorRun).where((JanitorRun.id == identity) | (JanitorRun.order == identity))
    row = await session.scalar(query.limit(1))
    if row is None:
        raise Problem("unknown-run")
    return row


async def _run(session: AsyncSession, row: JanitorRun) -> RunItem:
    removed: dict[str, dict[str, int]] = {}
    lines = select(JanitorLine.kind, JanitorLine.removed).where(
        JanitorLine.run == row.id, JanitorLine.state.in_(("removed", "asked"))
    )
    for kind, what in await session.execute(lines):
        mine = removed.setdefault(kind, {})
        for name, number in what.items():
            mine[name] = mine.get(name, 0) + number
    open_ = select(func.count()).where(JanitorLine.run == row.id, JanitorLine.state == "asked")
    return RunItem(
        id=row.id,
        kind=row.kind,
        order=row.order,
        state=row.state,
        phase=row.phase,
        counts=row.counts,
        removed={kind: each for kind, each in removed.items() if each},
        open=await session.scalar(open_) or 0,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
