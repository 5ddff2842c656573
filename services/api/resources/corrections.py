"""What people wanted put right: who, when, why, and what of."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from services.api.actor import Actor, Who
from services.api.answers import Page, Shape, example
from services.api.judging import manages
from services.api.lists import part
from services.api.needs import Ctx, Limit, Offset, ProjectName, Uid
from services.api.sight import in_sight
from shared.crypto import Vault
from shared.tables import Correction

router = APIRouter(tags=["corrections"])
Kind = Literal["correction", "cancel", "resend", "consent"]

EXAMPLE = {
    "id": "8a3f5d0e-2f5a-4a3e-9b8c-6a0a7f1c2d3e",
    "kind": "correction",
    "project": "ABCD-study",
    "study_instance_uid": "1.2.826.0.1.3680043.8.498.1",
    "participant": "ABCD-0017",
    "assignment": "6f1de0f5-53d6-8f0e-a36f-4a6dd1a5a001",
    "becomes": "7f1de0f5-53d6-8f0e-a36f-4a6dd1a5a002",
    "series_instance_uid": None,
    "transfer": None,
    "since": None,
    "by": "k.olsen",
    "reason": "mixed up with the next patient",
    "created_at": "2026-01-04T09:00:00Z",
}


class CorrectionItem(Shape):
    """A correction. What follows from one that ends something is told by the withdrawal of the same id."""

    model_config = example(**EXAMPLE)
    id: str
    kind: Kind
    project: str
    study_instance_uid: str | None
    participant: str | None = Field(description="whose it was")
    assignment: str | None = Field(description="what is to end")
    becomes: str | None = Field(description="the assignment that takes its place")
    series_instance_uid: str | None
    transfer: str | None
    since: datetime | None
    by: str
    reason: str | None = Field(description="for those who manage the project; null for others")
    created_at: datetime


@router.get("/corrections", summary="What people wanted put right, latest first")
async def list_corrections(
    context: Ctx,
    who: Who,
    project: Annotated[ProjectName | None, Query()] = None,
    study: Annotated[Uid | None, Query(description="StudyInstanceUID of the source")] = None,
    kind: Annotated[Kind | None, Query()] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[CorrectionItem]:
    """With the reasons that they gave."""
    wanted = {Correction.project: project, Correction.study_instance_uid: study, Correction.kind: kind}
    where = [column == value for column, value in wanted.items() if value is not None]
    where.append(in_sight(who, "list_corrections", Correction.project, Correction.participant))
    async with context.database.reading() as session:
        latest = Correction.created_at.desc(), Correction.id
        rows, total = await part(session, Correction, where, latest, limit, offset)
        return Page(items=[correction_item(context.vault, who, row) for row in rows], total=total)


def correction_item(vault: Vault, who: Actor, row: Correction) -> CorrectionItem:
    """A row; its reason is opened for those who manage the project."""
    copied = {name: getattr(row, name) for name in CorrectionItem.model_fields if name != "reason"}
    return CorrectionItem(**copied, reason=vault.decrypt(row.reason) if manages(who, row.project) else None)
