"""Mails that are owed: how many wait, and those that a server has refused."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, Identity, Limit, Offset
from services.api.problems import Problem, documented
from shared.tables import Mail
from shared.tables.base import now

router = APIRouter(tags=["mails"])
State = Literal["waiting", "sent", "refused"]


class MailItem(Shape):
    """A mail, without address, subject and text."""

    model_config = example(
        id="7a0c9d0e-7a55-4d0a-8d3f-3a1d54f0d0aa", state="refused", tries=1, error="the server answers 550",
        next_try_at="2026-01-01T08:10:00Z", created_at="2026-01-01T08:00:00Z", sent_at=None,
    )  # fmt: skip
    id: str
    state: str = Field(description="waiting, sent or refused")
    tries: int
    error: str | None = Field(description="of the last try")
    next_try_at: datetime
    created_at: datetime
    sent_at: datetime | None


@router.get("/mails", summary="Mails, latest first")
async def list_mails(
    context: Ctx, state: Annotated[State | None, Query()] = None, limit: Limit = 100, offset: Offset = 0
) -> Page[MailItem]:
    """Nothing of what they say, or to whom."""
    which = [] if state is None else [Mail.state == state]
    async with context.database.reading() as session:
        total = await session.scalar(select(func.count()).select_from(Mail).where(*which)) or 0
        latest = Mail.created_at.desc(), Mail.id
        rows = await session.scalars(select(Mail).where(*which).order_by(*latest).limit(limit).offset(offset))
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/mails/{identity}/retry", summary="Try a mail again now", responses=documented("unknown-mail", "mail-sent")
)
async def retry_mail(context: Ctx, identity: Identity) -> MailItem:
    """One that waits, or was refused."""
    async with context.database.session() as session:
        row = await _unsent(session, identity)
        row.state, row.next_try_at = "waiting", now()
        return _item(row)


@router.delete(
    "/mails/{identity}",
    summary="Drop a mail that was not sent",
    status_code=204,
    responses=documented("unknown-mail", "mail-sent"),
)
async def drop_mail(context: Ctx, identity: Identity) -> None:
    """For good, with its text."""
    async with context.database.session() as session:
        await session.delete(await _unsent(session, identity))


async def _unsent(session: AsyncSession, identity: str) -> Mail:
    row = await session.get(Mail, identity, with_for_update=True)
    if row is None:
        raise Problem("unknown-mail")
    if row.state == "sent":
        raise Problem("mail-sent")
    return row


def _item(row: Mail) -> MailItem:
    return MailItem(**{name: getattr(row, name) for name in MailItem.model_fields})
