"""What a coupling list is about, readable: for owners and data managers, and as a file that can be uploaded again."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import Select, select, tuple_
from starlette.responses import StreamingResponse

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.coupling.cells import guarded
from services.api.coupling.columns import COLUMNS, official
from services.api.coupling.pages import OLDEST_FIRST, part_of_list
from services.api.needs import Ctx, Limit, Offset, ProjectName
from services.api.problems import documented
from services.api.projects import get_project
from services.api.sites import theirs
from shared.crypto import Vault
from shared.database import Database
from shared.registry.coupling import in_force
from shared.spreadsheet import MARK, cell
from shared.tables import CouplingEntry
from shared.tables.base import now

router = APIRouter(tags=["coupling"])
AT_ONCE = 1000
EXAMPLE_FILE = ",".join(map(official, COLUMNS)) + "\r\n,A-1001,,,ABCD-study,ABCD-0017,baseline\r\n"


class IdentityItem(Shape):
    """An entry with whom it is about."""

    model_config = example(
        id="4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11",
        study_instance_uid=None,
        accession_number="A-1001",
        patient_id=None,
        issuer=None,
        participant="ABCD-0017",
        event="baseline",
        expires_at="2026-01-15T08:00:00Z",
    )
    id: str
    study_instance_uid: str | None
    accession_number: str | None
    patient_id: str | None
    issuer: str | None = Field(description="of the PatientID")
    participant: str
    event: str
    expires_at: datetime | None


@router.get(
    "/projects/{name}/coupling/identities",
    summary="The coupling list with accession numbers and PatientIDs",
    responses=documented("unknown-project"),
)
async def show_coupling_identities(
    context: Ctx, who: Who, name: ProjectName, limit: Limit = 100, offset: Offset = 0
) -> Page[IdentityItem]:
    """Entries in force, oldest first; whoever is bound to sites sees those of the sites."""
    mine = CouplingEntry.project == name, *theirs(who, name, CouplingEntry.participant)
    async with context.database.reading() as session:
        await get_project(session, name)
        rows, total = await part_of_list(session, mine, limit, offset)
    return Page(items=await asyncio.to_thread(_opened, context.vault, rows), total=total)


@router.get(
    "/projects/{name}/coupling/export",
    summary="The coupling list as a CSV file",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}, "example": EXAMPLE_FILE}},
            "description": "Entries in force, oldest first",
        },
        **documented("unknown-project"),
    },
)
async def export_coupling(context: Ctx, who: Who, name: ProjectName) -> StreamingResponse:
    """UTF-8 with a mark, commas; can be uploaded as it is. Whoever is bound to sites gets what is of the sites."""
    mine = CouplingEntry.project == name, in_force(now()), *theirs(who, name, CouplingEntry.participant)
    async with context.database.reading() as session:
        await get_project(session, name)
    return StreamingResponse(
        _file(context.database, context.vault, name, select(CouplingEntry).where(*mine)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-coupling.csv"'},
    )


async def _file(database: Database, vault: Vault, project: str, entries: Select[CouplingEntry]) -> AsyncIterator[str]:
    """Some rows at a time, each in a short view of the database."""
    yield MARK + _lines([[official(field) for field in COLUMNS]])
    key = tuple_(*OLDEST_FIRST)
    rows = entries.order_by(*OLDEST_FIRST).limit(AT_ONCE)
    step = rows
    while True:
        async with database.reading() as session:
            some = (await session.scalars(step)).all()
        if not some:
            return
        items = await asyncio.to_thread(_opened, vault, some)
        yield _lines([[_cell(item, project, field) for field in COLUMNS] for item in items])
        step = rows.where(key > tuple_(some[-1].created_at, some[-1].id))


def _cell(item: IdentityItem, project: str, field: str) -> str:
    return cell(guarded(project if field == "project" else getattr(item, field) or ""))


def _lines(rows: Sequence[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made).writerows(rows)
    return made.getvalue()


def _opened(vault: Vault, rows: Sequence[CouplingEntry]) -> list[IdentityItem]:
    return [
        IdentityItem(
            id=row.id,
            study_instance_uid=row.study_instance_uid,
            accession_number=vault.decrypt(row.accession_number) if row.accession_number else None,
            patient_id=vault.decrypt(row.patient_id) if row.patient_id else None,
            issuer=row.issuer,
            participant=row.participant,
            event=row.event,
            expires_at=row.expires_at,
        )
        for row in rows
    ]
