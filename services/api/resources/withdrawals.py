"""Withdrawals: what is to leave its destinations again, what has left, and what a person has to remove by hand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.judging import manages
from services.api.lists import part
from services.api.needs import Ctx, Identity, Limit, Name, Offset, ProjectName, Prose, Uid
from services.api.problems import Problem, documented
from services.api.sight import in_sight
from shared.bus import Message
from shared.database import insert_new
from shared.events import WithdrawalConfirmed, WithdrawalRetried
from shared.ledger import add
from shared.tables import Correction, Removal, Withdrawal, WithdrawalNote, WithdrawalPart
from shared.tables.base import new_id, now

router = APIRouter(tags=["corrections"])
State = Literal["pending", "under_way", "by_hand", "done", "refused"]
KINDS = ("correction", "cancel", "consent")

EXAMPLE = {
    "id": "8a3f5d0e-2f5a-4a3e-9b8c-6a0a7f1c2d3e",
    "kind": "correction",
    "project": "ABCD-study",
    "participant": "ABCD-0017",
    "study_instance_uid": "1.2.826.0.1.3680043.8.498.1",
    "state": "by_hand",
    "why": None,
    "instances": 812,
    "withdrawn": 0,
    "requested_at": "2026-01-04T09:00:00Z",
    "finished_at": None,
}
PART = {
    "transfer": "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11",
    "destination": "research-pacs",
    "state": "by_hand",
    "target_study_instance_uid": "2.25.1",
    "instances": 812,
    "withdrawn": 0,
    "why": "the destination has no way to delete",
    "answered_at": "2026-01-04T09:00:02Z",
    "by": None,
    "note": None,
}


class WithdrawalItem(Shape):
    """A withdrawal and its counts over all destinations."""

    model_config = example(**EXAMPLE)
    id: str = Field(description="that of the correction that wants it")
    kind: str
    project: str
    participant: str = Field(description="whose it was")
    study_instance_uid: str | None
    state: State = Field(description="pending: asked for, and not yet with the router")
    why: str | None = Field(description="why it was refused")
    instances: int = Field(description="that were to leave, at all destinations")
    withdrawn: int = Field(description="that have left")
    requested_at: datetime
    finished_at: datetime | None


class WithdrawalPartItem(Shape):
    """What one transfer has brought to one destination."""

    model_config = example(**PART)
    transfer: str
    destination: str
    state: Literal["asked", "withdrawn", "by_hand", "confirmed"] = Field(description="confirmed: by a person")
    target_study_instance_uid: str | None = Field(description="as the destination knows it; null: nothing was sent")
    instances: int
    withdrawn: int
    why: str | None
    answered_at: datetime | None
    by: str | None = Field(description="who removed it by hand")
    note: str | None = Field(description="what that person says, for those who manage the project")


REMOVAL = {
    "service": "indexer",
    "removed": {"studies": 1, "instances": 812, "files": 812, "patients": 1},
    "left": {},
    "answered_at": "2026-01-04T09:00:03Z",
}


class RemovalItem(Shape):
    """What one service has removed here, after consent was withdrawn."""

    model_config = example(**REMOVAL)
    service: str
    removed: dict[str, int] = Field(description="what, and how much of it")
    left: dict[str, int] = Field(description="what could not be removed, or belongs to others, too")
    answered_at: datetime | None = Field(description="null: it has not answered yet")


class WithdrawalDetail(WithdrawalItem):
    """A withdrawal, part by part."""

    model_config = example(**EXAMPLE, parts=[PART], removals=[REMOVAL])
    parts: list[WithdrawalPartItem]
    removals: list[RemovalItem] = Field(description="of a participant whose consent was withdrawn")


class ByHand(Shape):
    """What is to be removed by hand: all that is open, or only of one destination or one transfer."""

    model_config = example(destination="research-pacs")
    destination: Name | None = None
    transfer: Identity | None = None


class Done(ByHand):
    """What was removed by hand, and how."""

    model_config = example(destination="research-pacs", note="deleted in the PACS's console, ticket 4711")
    note: Prose = Field(description="kept encrypted: people write names")


@router.get("/withdrawals", summary="What is to leave its destinations, latest first")
async def list_withdrawals(
    context: Ctx,
    who: Who,
    project: Annotated[ProjectName | None, Query()] = None,
    state: Annotated[State | None, Query(description="by_hand: what waits for a person")] = None,
    study: Annotated[Uid | None, Query(description="StudyInstanceUID of the source")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[WithdrawalItem]:
    """With their counts."""
    wanted = {Withdrawal.project: project, Withdrawal.state: state, Withdrawal.study_instance_uid: study}
    where = [column == value for column, value in wanted.items() if value is not None]
    where.append(in_sight(who, "list_withdrawals", Withdrawal.project, Withdrawal.participant))
    async with context.database.reading() as session:
        latest = Withdrawal.requested_at.desc(), Withdrawal.id
        rows, total = await part(session, Withdrawal, where, latest, limit, offset)
        sums = await _sums(session, [row.id for row in rows])
    return Page(items=[WithdrawalItem(**_fields(row, sums)) for row in rows], total=total)


@router.get(
    "/withdrawals/{identity}",
    summary="One withdrawal, destination by destination",
    responses=documented("unknown-correction"),
)
async def show_withdrawal(context: Ctx, who: Who, identity: Identity) -> WithdrawalDetail:
    """How far it is, what could not be removed and why, and who has removed it by hand."""
    async with context.database.reading() as session:
        return await _detail(context, session, who, identity)


@router.post(
    "/withdrawals/{identity}/done",
    summary="Say that what no program could remove was removed by hand",
    responses=documented("unknown-correction", "nothing-by-hand", "invalid-request"),
)
async def confirm_withdrawal(context: Ctx, who: Who, identity: Identity, done: Done) -> WithdrawalDetail:
    """What has waited for it goes on when nothing is left to be removed."""
    async with context.database.session() as session:
        keys = await _by_hand(session, identity, done)
        note = context.vault.encrypt(done.note)
        rows = [key | {"by": who.name, "note": note, "created_at": now()} for key in keys]
        await insert_new(session, WithdrawalNote, rows)
        await add(session, [Message.of(WithdrawalConfirmed(**key)) for key in keys])
        found = await _detail(context, session, who, identity)
    context.relay.wake()
    return found


@router.post(
    "/withdrawals/{identity}/retry",
    summary="Have a program try again what is to be removed by hand",
    status_code=202,
    responses=documented("unknown-correction", "nothing-by-hand", "invalid-request"),
)
async def retry_withdrawal(context: Ctx, who: Who, identity: Identity, meant: ByHand) -> WithdrawalDetail:
    """When a destination has got a way to delete, or is there again: asked once more, and counted as before."""
    async with context.database.session() as session:
        attempt = new_id()
        keys = await _by_hand(session, identity, meant)
        await add(session, [Message.of(WithdrawalRetried(**key, attempt=attempt)) for key in keys])
        found = await _detail(context, session, who, identity)
    context.relay.wake()
    return found


async def _by_hand(session: AsyncSession, identity: str, meant: ByHand) -> list[dict[str, str]]:
    """The parts that are meant, as keys; a problem when there are none."""
    if await session.get(Withdrawal, identity) is None and await session.get(Correction, identity) is None:
        raise Problem("unknown-correction")
    wanted = {WithdrawalPart.destination: meant.destination, WithdrawalPart.transfer: meant.transfer}
    parts = await session.scalars(
        select(WithdrawalPart).where(
            WithdrawalPart.withdrawal == identity,
            WithdrawalPart.state == "by_hand",
            *(column == value for column, value in wanted.items() if value is not None),
        )
    )
    keys = [{"withdrawal": identity, "transfer": part.transfer, "destination": part.destination} for part in parts]
    if not keys:
        raise Problem("nothing-by-hand")
    return keys


async def _detail(context: Ctx, session: AsyncSession, who: Actor, identity: str) -> WithdrawalDetail:
    """What is known of a withdrawal, also while the router has not seen it; notes for those who manage the project."""
    row = await session.get(Withdrawal, identity)
    if row is None:
        correction = await session.get(Correction, identity)
        if correction is None or correction.kind not in KINDS:
            raise Problem("unknown-correction")
        row = Withdrawal(
            id=identity,
            kind=correction.kind,
            project=correction.project,
            participant=correction.participant or "",
            study_instance_uid=correction.study_instance_uid,
            state="pending",
            requested_at=correction.created_at,
        )
    found = await session.execute(
        select(WithdrawalPart, WithdrawalNote)
        .outerjoin(
            WithdrawalNote,
            (WithdrawalNote.withdrawal == WithdrawalPart.withdrawal)
            & (WithdrawalNote.transfer == WithdrawalPart.transfer)
            & (WithdrawalNote.destination == WithdrawalPart.destination),
        )
        .where(WithdrawalPart.withdrawal == identity)
        .order_by(WithdrawalPart.transfer, WithdrawalPart.destination)
    )
    shows = manages(who, row.project)
    parts = [
        WithdrawalPartItem(
            **{name: getattr(part, name) for name in PART if name not in ("by", "note")},
            by=note.by if note else None,
            note=context.vault.decrypt(note.note) if note and shows else None,
        )
        for part, note in found
    ]
    removals = await session.scalars(select(Removal).where(Removal.withdrawal == identity).order_by(Removal.service))
    return WithdrawalDetail(
        **_fields(row, await _sums(session, [identity])),
        parts=parts,
        removals=[RemovalItem(**{name: getattr(each, name) for name in REMOVAL}) for each in removals],
    )


async def _sums(session: AsyncSession, withdrawals: Sequence[str]) -> dict[str, tuple[int, int]]:
    rows = await session.execute(
        select(WithdrawalPart.withdrawal, func.sum(WithdrawalPart.instances), func.sum(WithdrawalPart.withdrawn))
        .where(WithdrawalPart.withdrawal.in_(withdrawals))
        .group_by(WithdrawalPart.withdrawal)
    )
    return {withdrawal: (int(instances), int(withdrawn)) for withdrawal, instances, withdrawn in rows}


def _fields(row: Withdrawal, sums: dict[str, tuple[int, int]]) -> dict[str, Any]:
    instances, withdrawn = sums.get(row.id, (0, 0))
    own = {name: getattr(row, name) for name in EXAMPLE if name not in ("instances", "withdrawn")}
    return own | {"instances": instances, "withdrawn": withdrawn}
