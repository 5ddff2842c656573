"""Mails that are owed: how many wait, and those that a server has refused."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Offset
from services.api.problems import Problem, documented
from services.api.rows import get_row
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
        latest = Mail.created_at.desc(), Mail.id
        rows, total = await part(session, Mail, which, latest, limit, offset)
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
    row = await get_row(session, Mail, identity, locked=True)
    if row.state == "sent":
        raise Problem("mail-sent")
    return row


def _item(row: Mail) -> MailItem:
    return MailItem.model_validate(row, from_attributes=True)
