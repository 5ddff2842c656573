"""The audit: who did, saw or was refused what; and whether its chain is whole."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from sqlalchemy import ColumnElement

from services.api.answers import Page, Shape, example
from services.api.lists import part
from services.api.needs import Ctx, Limit, Moment, Offset, Uid
from services.api.problems import documented
from shared.audit.chain import Damage, Link
from shared.audit.head import read_head
from shared.audit.verify import verify
from shared.keys import audit_key
from shared.tables import AuditEntry

router = APIRouter(tags=["audit"])
Outcome = Literal["done", "refused", "failed", "unanswered"]


class AuditItem(Shape):
    """An entry."""

    model_config = example(
        sequence=4711,
        at="2026-01-02T10:30:00Z",
        actor="kari",
        actor_kind="person",
        operation="show_study",
        method="GET",
        outcome="done",
        status=200,
        address="192.0.2.17",
        project=None,
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        participant=None,
        details={},
        correlation="4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11",
        hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )
    sequence: int = Field(description="1, 2, 3, … without a gap")
    at: datetime
    actor: str = Field(description="who; empty: nobody who was recognised")
    actor_kind: str = Field(description="person, token or service")
    operation: str = Field(description="of this interface by its operationId, or what the gateway did by itself")
    method: str = Field(description="HTTP's; empty: nobody asked")
    outcome: str = Field(description="done, refused, failed, or unanswered: the process ended with it in hand")
    status: int | None = Field(description="HTTP's")
    address: str = Field(description="from where")
    project: str | None
    study_instance_uid: str | None
    participant: str | None
    details: dict[str, Any] = Field(description="other identifiers, counts, and by which fields something was asked")
    correlation: str = Field(description="what it belongs to, in events and logs as well")
    hash: str = Field(description="HMAC-SHA-256 over the entry and the hash of the one before")


class Verification(Shape):
    """How far the chain was walked, and what was found."""

    model_config = example(
        sound=True,
        entries=4711,
        sequence=4711,
        hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        complete=True,
        broken=None,
        damage=None,
    )
    sound: bool = Field(description="nothing was found so far")
    entries: int = Field(description="looked at in this request")
    sequence: int = Field(description="the last sound entry: go on after it, and keep it as a head with its hash")
    hash: str
    complete: bool = Field(description="the end was reached")
    broken: int | None = Field(description="the first entry that is not as it was written")
    damage: Damage | None = Field(
        description="changed; removed: entries before it are gone; inserted; truncated: entries from it on are gone"
    )


class Asked:
    """What is looked for: all that is given has to fit."""

    def __init__(
        self,
        actor: Annotated[str | None, Query(max_length=100, description="who")] = None,
        operation: Annotated[str | None, Query(max_length=64)] = None,
        outcome: Outcome | None = None,
        project: Annotated[str | None, Query(max_length=20)] = None,
        study: Annotated[Uid | None, Query(description="StudyInstanceUID")] = None,
        participant: Annotated[str | None, Query(max_length=64)] = None,
        since: Annotated[Moment | None, Query(description="at or after")] = None,
        until: Annotated[Moment | None, Query(description="before")] = None,
    ) -> None:
        equal = {
            AuditEntry.actor: actor,
            AuditEntry.operation: operation,
            AuditEntry.outcome: outcome,
            AuditEntry.project: project,
            AuditEntry.study_instance_uid: study,
            AuditEntry.participant: participant,
        }
        self.where: list[ColumnElement[bool]] = [
            column == value for column, value in equal.items() if value is not None
        ]
        if since is not None:
            self.where.append(AuditEntry.at >= since)
        if until is not None:
            self.where.append(AuditEntry.at < until)


Wanted = Annotated[Asked, Depends()]


@router.get("/audit", summary="Who did, saw or was refused what, latest first")
async def list_audit(context: Ctx, wanted: Wanted, limit: Limit = 100, offset: Offset = 0) -> Page[AuditItem]:
    """What is in the chain: an entry is there about a second after what it tells of."""
    async with context.database.reading() as session:
        rows, total = await part(session, AuditEntry, wanted.where, [AuditEntry.sequence.desc()], limit, offset)
        return Page(items=[audit_item(row) for row in rows], total=total)


@router.get("/audit/verify", summary="Whether the chain is whole", responses=documented("wrong-key"))
async def verify_audit(
    context: Ctx,
    after: Annotated[int, Query(ge=0, description="entries up to this one were looked at before")] = 0,
    limit: Annotated[int, Query(ge=1, le=100_000, description="about so many entries")] = 20_000,
    head: Annotated[
        str | None,
        Query(pattern=r"^[1-9][0-9]{0,17}:[0-9a-f]{64}$", description="sequence:hash that was kept elsewhere"),
    ] = None,
) -> Verification:
    """Walk it, a part at a time; against the head that was kept elsewhere, else the one in the store."""
    kept = _link(head) if head else await asyncio.to_thread(read_head, context.store)
    async with context.database.reading() as session:
        key = await audit_key(session, context.vault)
        verdict = await verify(session, key, after, limit, kept)
    return Verification(
        sound=verdict.damage is None,
        entries=verdict.entries,
        sequence=verdict.last.sequence,
        hash=verdict.last.hash,
        complete=verdict.complete,
        broken=verdict.broken,
        damage=verdict.damage,
    )


def _link(head: str) -> Link:
    sequence, _, digest = head.partition(":")
    return Link(int(sequence), digest)


def audit_item(row: AuditEntry) -> AuditItem:
    """A row as an item."""
    return AuditItem.model_validate(row, from_attributes=True)
