"""What the monitor has found: how it is with each thing that is looked at, and how heartbeats fare."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import case

from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Limit, Offset
from shared.tables import Heartbeat, MonitorCheck

router = APIRouter(tags=["monitor"])
State = Literal["ok", "warning", "failing"]


class CheckItem(Shape):
    """One thing that is looked at."""

    model_config = example(
        check="destination", subject="research-pacs", state="failing", since="2026-01-01T08:00:00Z",
        detail="no connection: ConnectionRefusedError", value=None, looked_at="2026-01-01T08:10:00Z", changes=1,
    )  # fmt: skip
    check: str = Field(description="what sort of thing: receiver, destination, queue, disk, …")
    subject: str = Field(description="which one; empty: there is only one")
    state: State = Field(description="settled: some looks in a row have said so")
    since: datetime = Field(description="when it became so, or was first looked at")
    detail: str
    value: float | None = Field(
        description="what was measured: seconds, messages, a ratio; see docs/services/monitor.md"
    )
    looked_at: datetime
    changes: int = Field(description="how often looks have differed in the last half hour")


class HeartbeatItem(Shape):
    """A made-up instance that goes the whole road, and when it has passed what."""

    model_config = example(
        id="7f4de2f5-55e5-4b53-9d4a-0f8f7a7c1f10", outcome="arrived", detail="", sent_at="2026-01-01T08:00:00Z",
        received_at="2026-01-01T08:00:00.100Z", indexed_at="2026-01-01T08:00:01.200Z",
        routed_at="2026-01-01T08:00:01.300Z", anonymized_at="2026-01-01T08:00:01.900Z",
        delivered_at="2026-01-01T08:00:02Z", seconds=2.0,
    )  # fmt: skip
    id: str
    outcome: str = Field(description="arrived, refused, incomplete or lost; empty: under way")
    detail: str = Field(description="why it did not arrive")
    sent_at: datetime
    received_at: datetime | None
    indexed_at: datetime | None
    routed_at: datetime | None
    anonymized_at: datetime | None
    delivered_at: datetime | None
    seconds: float | None = Field(description="from its sending to its end")


@router.get("/monitor", summary="How everything is, the worst first")
async def list_checks(
    context: Ctx, state: Annotated[State | None, Query()] = None, limit: Limit = 100, offset: Offset = 0
) -> Page[CheckItem]:
    """As the monitor has last seen it: `looked_at` says when that was."""
    which = [] if state is None else [MonitorCheck.state == state]
    rank = case({"failing": 0, "warning": 1}, value=MonitorCheck.state, else_=2)
    order = rank, MonitorCheck.name, MonitorCheck.subject
    async with context.database.reading() as session:
        rows, total = await part(session, MonitorCheck, which, order, limit, offset)
        return Page(items=[_check(row) for row in rows], total=total)


@router.get("/monitor/heartbeats", summary="Heartbeats, latest first")
async def list_heartbeats(context: Ctx, limit: Limit = 100, offset: Offset = 0) -> Page[HeartbeatItem]:
    """Of the last month."""
    async with context.database.reading() as session:
        latest = Heartbeat.sent_at.desc(), Heartbeat.id
        rows, total = await part(session, Heartbeat, (), latest, limit, offset)
        return Page(items=[_heartbeat(row) for row in rows], total=total)


def _check(row: MonitorCheck) -> CheckItem:
    named = {name: getattr(row, name) for name in ("subject", "state", "since", "detail", "value", "looked_at")}
    return CheckItem(check=row.name, changes=len(row.changes), **named)


def _heartbeat(row: Heartbeat) -> HeartbeatItem:
    took = (row.delivered_at - row.sent_at).total_seconds() if row.delivered_at else None
    values = {name: getattr(row, name) for name in HeartbeatItem.model_fields if name != "seconds"}
    return HeartbeatItem(**values, seconds=took)
