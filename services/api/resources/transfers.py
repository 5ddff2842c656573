"""Transfers: how far each has come, counted, and what of it is in quarantine."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import select

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.made_good import made_good
from services.api.needs import Ctx, Identity, Limit, Offset, ProjectName, Uid
from services.api.problems import documented
from services.api.resources.quarantine import EXAMPLE as QUARANTINED
from services.api.resources.quarantine import Asked, QuarantineItem, page_of_quarantine
from services.api.rows import get_row
from services.api.sight import in_sight
from shared.tables import Transfer, TransferPart

router = APIRouter(tags=["transfers"])

TransferState = Literal[
    "requested", "anonymizing", "sending", "verifying", "completed", "quarantined", "failed", "cancelled", "withdrawn"
]

EXAMPLE = {
    "id": "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11",
    "study_instance_uid": "1.2.826.0.1.3680043.8.498.1",
    "project": "ABCD-study",
    "participant": "ABCD-0017",
    "event": "baseline",
    "destinations": ["research-pacs"],
    "reason": "person",
    "review": None,
    "correction": None,
    "profile": "ABCD-study",
    "profile_version": "2",
    "profile_digest": "5f0c…",
    "state": "sending",
    "instances": 812,
    "anonymized": 812,
    "quarantined": 0,
    "left_out": 0,
    "delivered": 400,
    "refused": 0,
    "counted": 0,
    "error": None,
    "made_good_by": None,
    "requested_at": "2026-01-02T10:35:00Z",
    "finished_at": None,
}


class TransferItem(Shape):
    """A transfer; with several destinations, its counts are of the one that is least far."""

    model_config = example(**EXAMPLE)
    id: str
    study_instance_uid: str
    project: str
    participant: str
    event: str
    destinations: list[str]
    reason: str
    review: str | None = Field(description="of quarantine, that asked for it")
    correction: str | None = Field(description="a person's, that asked for it")
    profile: str = Field(description="name; empty: of a time that did not note it")
    profile_version: str
    profile_digest: str | None = Field(description="SHA-256 of all that decides the result; null: not yet")
    state: TransferState
    instances: int = Field(description="asked for")
    anonymized: int
    quarantined: int
    left_out: int = Field(description="by the profile, or sent from here before: neither sent nor in quarantine")
    delivered: int
    refused: int
    counted: int = Field(description="confirmed by a count at the destinations")
    error: str | None
    made_good_by: str | None = Field(description="of a failed one: the later transfer with which all of it had come")
    requested_at: datetime
    finished_at: datetime | None


class PartItem(Shape):
    """A series of a transfer at one destination."""

    series_instance_uid: str
    revision: int
    destination: str
    instances: int
    anonymized: int | None = Field(description="null: not yet")
    quarantined: int
    left_out: int
    delivered: int | None = Field(description="null: not yet")
    refused: int


class TransferDetail(TransferItem):
    """A transfer, part by part."""

    model_config = example(
        **EXAMPLE,
        parts=[
            {
                "series_instance_uid": "1.2.826.0.1.3680043.8.498.1.1",
                "revision": 1,
                "destination": "research-pacs",
                "instances": 812,
                "anonymized": 812,
                "quarantined": 0,
                "left_out": 0,
                "delivered": None,
                "refused": 0,
            }
        ],
        quarantine=[QUARANTINED],
    )
    parts: list[PartItem]
    quarantine: list[QuarantineItem] = Field(description="the first 1000 of them")


@router.get("/transfers", summary="Transfers, latest first")
async def list_transfers(
    context: Ctx,
    who: Who,
    project: Annotated[ProjectName | None, Query()] = None,
    state: Annotated[TransferState | None, Query()] = None,
    study: Annotated[Uid | None, Query(description="StudyInstanceUID of the source")] = None,
    correction: Annotated[Identity | None, Query(description="asked for by this resend")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[TransferItem]:
    """With their counts."""
    wanted = {
        Transfer.project: project,
        Transfer.state: state,
        Transfer.study_instance_uid: study,
        Transfer.correction: correction,
    }
    where = [column == value for column, value in wanted.items() if value is not None]
    where.append(in_sight(who, "list_transfers", Transfer.project, Transfer.participant))
    async with context.database.reading() as session:
        latest = Transfer.requested_at.desc(), Transfer.id.desc()
        rows, total = await part(session, Transfer, where, latest, limit, offset)
        good = await made_good(session, rows)
    items = [TransferItem(**_fields(row), made_good_by=good.get(row.id)) for row in rows]
    return Page(items=items, total=total)


@router.get("/transfers/{identity}", summary="One transfer with its parts", responses=documented("unknown-transfer"))
async def show_transfer(context: Ctx, identity: Identity) -> TransferDetail:
    """Part by part, destination by destination, with what is in quarantine."""
    async with context.database.reading() as session:
        row = await get_row(session, Transfer, identity)
        parts = await session.scalars(
            select(TransferPart)
            .where(TransferPart.transfer == identity)
            .order_by(TransferPart.series_instance_uid, TransferPart.revision, TransferPart.destination)
        )
        quarantine = await page_of_quarantine(session, Asked(transfer=identity, state="all"), 1000, 0)
        return TransferDetail(
            **_fields(row),
            made_good_by=(await made_good(session, [row])).get(identity),
            parts=[PartItem.model_validate(part, from_attributes=True) for part in parts],
            quarantine=quarantine.items,
        )


def _fields(row: Transfer) -> dict[str, Any]:
    return {name: getattr(row, name) for name in EXAMPLE if name in Transfer.__table__.columns}
