"""The audit as a file: one entry a line, oldest first, however many there are."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select

from services.api.needs import Ctx
from services.api.resources.audit import AuditItem, Wanted, audit_item
from shared.service import Context
from shared.spreadsheet import MARK, cell
from shared.tables import AuditEntry

router = APIRouter(tags=["audit"])
PAGE: Final = 1000
Format = Literal["jsonl", "csv"]
MEDIA_TYPES: Final = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
COLUMNS: Final = tuple(AuditItem.model_fields)


def _heading() -> str:
    return MARK + ",".join(COLUMNS) + "\r\n"


def _jsonl(items: Sequence[AuditItem]) -> str:
    return "".join(f"{item.model_dump_json()}\n" for item in items)


def _csv(items: Sequence[AuditItem]) -> str:
    text = io.StringIO()
    dumped = [item.model_dump(mode="json") for item in items]
    csv.writer(text).writerows([_cell(item[name]) for name in COLUMNS] for item in dumped)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return cell(value)


EXAMPLE: Final = AuditItem.model_validate_json(json.dumps(AuditItem.model_json_schema()["examples"][0]))
CONTENT: Final = {
    media: {"schema": {"type": "string"}, "example": line}
    for media, line in {"application/x-ndjson": _jsonl([EXAMPLE]), "text/csv": _heading() + _csv([EXAMPLE])}.items()
}
"""One entry in each form, for OpenAPI."""


@router.get(
    "/audit/export",
    summary="The audit as a file",
    response_class=StreamingResponse,
    responses={200: {"description": "One entry a line", "content": CONTENT}},
)
async def export_audit(context: Ctx, wanted: Wanted, format: Format = "jsonl") -> StreamingResponse:
    """All that fits, as JSON lines or as CSV with a first line of names."""
    async with context.database.reading() as session:
        last = await session.scalar(select(func.max(AuditEntry.sequence))) or 0
    lines = _pages(context, wanted, last, {"jsonl": _jsonl, "csv": _csv}[format])
    disposition = {"Content-Disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(lines, media_type=MEDIA_TYPES[format], headers=disposition)


async def _pages(
    context: Context, wanted: Wanted, last: int, written: Callable[[Sequence[AuditItem]], str]
) -> AsyncIterator[str]:
    """Page by page, no transaction held while a slow reader takes one."""
    if written is _csv:
        yield _heading()
    after = 0
    while True:
        query = select(AuditEntry).where(*wanted.where, AuditEntry.sequence > after, AuditEntry.sequence <= last)
        async with context.database.reading() as session:
            rows = await session.scalars(query.order_by(AuditEntry.sequence).limit(PAGE))
            items = [audit_item(row) for row in rows]
        if not items:
            return
        yield written(items)
        after = items[-1].sequence
