"""Coupling lists: which participant a study belongs to, known before (or after) the study is here."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field, model_validator
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Who
from services.api.answers import Page, Shape, example
from services.api.coupling.checks import LONGEST
from services.api.coupling.pages import BY_ID, OLDEST_FIRST, by_match, part_of_list
from services.api.coupling.rows import Flaw, Flaws, Row
from services.api.coupling.upload import Report, Wish, upload
from services.api.needs import Ctx, EventName, Identity, Limit, Offset, Participant, ProjectName, Setting, Uid
from services.api.problems import FieldError, Problem, documented
from services.api.projects import get_project
from services.api.sites import theirs
from shared.registry.coupling import portions
from shared.registry.matching import COUPLING
from shared.tables import Assignment, CouplingEntry

router = APIRouter(tags=["coupling"])
REASON = f"{COUPLING} "
"""How the router begins the reason of an assignment that an entry has made; its id follows."""

By = Literal["study_instance_uid", "accession_number", "patient_id"]
Number = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=r"\S")]
ExpiresDays = Annotated[float, Field(gt=0, le=36500)]


class NewEntry(Shape):
    """A study by its UID, its accession number or its patient, and whose it is; all that is named has to agree."""

    model_config = example(accession_number="A-1001", participant="ABCD-0017", event="baseline")
    accession_number: Number | None = None
    study_instance_uid: Uid | None = None
    patient_id: Number | None = None
    issuer: Annotated[Number | None, Field(description="who has given out the PatientID; null: whoever")] = None
    participant: Participant
    event: EventName = "Unknown"

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.accession_number is None and self.study_instance_uid is None and self.patient_id is None:
            raise ValueError("one of study_instance_uid, accession_number, patient_id")
        return self


class NewEntries(Shape):
    """A coupling list, or a part of one."""

    model_config = example(
        entries=[{"accession_number": "A-1001", "participant": "ABCD-0017", "event": "baseline"}],
        expires_days=14,
    )
    entries: list[NewEntry] = Field(min_length=1, max_length=10_000)
    expires_days: ExpiresDays | None = Field(default=None, description="null: never; left out: the gateway's default")


class MatchedStudy(Shape):
    """A study that an entry has claimed."""

    study_instance_uid: str
    refused: str | None = Field(description="why it was not taken; null: it is in the project")


class EntryItem(Shape):
    """An entry; accession number and PatientID are shown by `coupling/identities` only."""

    model_config = example(
        id="4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11",
        by="accession_number",
        study_instance_uid=None,
        participant="ABCD-0017",
        event="baseline",
        upload="0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11",
        created_at="2026-01-01T08:00:00Z",
        expires_at="2026-01-15T08:00:00Z",
        studies=[{"study_instance_uid": "1.2.826.0.1.3680043.8.498.1", "refused": None}],
    )
    id: str
    by: By = Field(description="what the study is found by: the most exact that the entry names")
    study_instance_uid: str | None
    participant: str
    event: str
    upload: str = Field(description="the last one that named it; empty: of a time before uploads were noted")
    created_at: datetime
    expires_at: datetime | None
    studies: list[MatchedStudy] = Field(description="those that it has claimed so far")


class Entries(Page[EntryItem]):
    """The entries as they stand now, and how many studies that are here already they name."""

    studies: int
    upload: str


class CouplingCounts(Shape):
    """A coupling list in numbers."""

    model_config = example(entries=212, matched=180, waiting=32, expired=4)
    entries: int = Field(description="in force")
    matched: int = Field(description="of them, those that have claimed a study")
    waiting: int = Field(description="of them, those that have not yet")
    expired: int = Field(description="not in force any more, and not removed yet")


@router.get(
    "/projects/{name}/coupling",
    summary="The coupling list of a project",
    responses=documented("unknown-project"),
)
async def list_coupling(
    context: Ctx,
    who: Who,
    name: ProjectName,
    participant: Annotated[str | None, Query(max_length=LONGEST)] = None,
    event: Annotated[str | None, Query(max_length=LONGEST)] = None,
    matched: Annotated[bool | None, Query(description="has claimed a study, or not yet")] = None,
    upload: Annotated[Identity | None, Query(description="that named it last")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[EntryItem]:
    """Entries in force, oldest first; those of one upload by id. Whoever is bound to sites sees those of the sites."""
    wanted: dict[Any, str | bool | None] = {
        CouplingEntry.participant: participant,
        CouplingEntry.event: event,
        CouplingEntry.upload: upload,
        CouplingEntry.matched: matched,
    }
    where = [CouplingEntry.project == name, *theirs(who, name, CouplingEntry.participant)]
    where += [column == value for column, value in wanted.items() if value is not None]
    async with context.database.reading() as session:
        await get_project(session, name)
        order = OLDEST_FIRST if upload is None else BY_ID
        rows, total = await part_of_list(session, where, limit, offset, order)
        return Page(items=await items_of(session, rows), total=total)


@router.get(
    "/projects/{name}/coupling/counts",
    summary="A coupling list in numbers",
    responses=documented("unknown-project"),
)
async def count_coupling(context: Ctx, who: Who, name: ProjectName) -> CouplingCounts:
    """What has found its study, and what waits for one."""
    mine = CouplingEntry.project == name, *theirs(who, name, CouplingEntry.participant)
    async with context.database.reading() as session:
        await get_project(session, name)
        valid, expired = await by_match(session, mine)
    return CouplingCounts(entries=valid.total(), matched=valid[True], waiting=valid[False], expired=expired)


@router.post(
    "/projects/{name}/coupling",
    summary="Add to a project's coupling list",
    status_code=201,
    responses=documented("unknown-project", "project-inactive", "coupled-otherwise", "invalid-request"),
)
async def add_coupling(
    context: Ctx, settings: Setting, who: Who, name: ProjectName, wish: NewEntries, response: Response
) -> Entries:
    """All or nothing. An entry that is there already ends later, never earlier; studies that are here are matched."""
    days = wish.expires_days if "expires_days" in wish.model_fields_set else settings.coupling_days
    rows = [Row(line, **entry.model_dump()) for line, entry in enumerate(wish.entries)]
    items: list[EntryItem] = []

    async def taken(session: AsyncSession, report: Report) -> None:
        items.extend(await _by_key(session, name, report.keys))

    report = await upload(context, Wish(name, rows, Flaws(), days, who, dry_run=False), taken)
    if report.flaws:
        kind = "coupled-otherwise" if report.flaws.only_conflicts else "invalid-request"
        raise Problem(kind, errors=[_error(flaw) for flaw in report.flaws.kept])
    response.headers["Location"] = f"/api/v1/projects/{name}/coupling"
    return Entries(items=items, total=len(items), studies=report.studies, upload=report.upload or "")


@router.delete(
    "/projects/{name}/coupling/{identity}",
    summary="Remove an entry",
    status_code=204,
    responses=documented("unknown-project", "unknown-coupling-entry"),
)
async def remove_coupling(context: Ctx, who: Who, name: ProjectName, identity: Identity) -> None:
    """What it has assigned so far stays assigned."""
    mine = theirs(who, name, CouplingEntry.participant)
    this = CouplingEntry.project == name, CouplingEntry.id == identity, *mine
    async with context.database.session() as session:
        await get_project(session, name)
        removed = await session.execute(delete(CouplingEntry).where(*this).returning(CouplingEntry.id))
        if not removed.all():
            raise Problem("unknown-coupling-entry")


async def items_of(session: AsyncSession, rows: Sequence[CouplingEntry]) -> list[EntryItem]:
    """Entries with the studies that they have claimed."""
    studies: dict[str, list[MatchedStudy]] = defaultdict(list)
    for some in portions(rows):
        claimed = await session.execute(
            select(Assignment.reason, Assignment.study_instance_uid, Assignment.refused)
            .where(Assignment.reason.in_([REASON + row.id for row in some]))
            .order_by(Assignment.created_at, Assignment.id)
        )
        for reason, uid, refused in claimed:
            studies[reason.removeprefix(REASON)].append(MatchedStudy(study_instance_uid=uid, refused=refused))
    return [_item(row, studies[row.id]) for row in rows]


def by(row: CouplingEntry) -> By:
    """What an entry is found by."""
    if row.study_instance_uid:
        return "study_instance_uid"
    return "accession_number" if row.accession_hash else "patient_id"


async def _by_key(session: AsyncSession, project: str, keys: Sequence[str]) -> list[EntryItem]:
    """In the order of the keys."""
    found: dict[str, CouplingEntry] = {}
    for some in portions(keys):
        mine = CouplingEntry.project == project, CouplingEntry.key.in_(some)
        found |= {row.key: row for row in await session.scalars(select(CouplingEntry).where(*mine))}
    return await items_of(session, [found[key] for key in keys if key in found])


def _error(flaw: Flaw) -> FieldError:
    return FieldError(loc=["body", "entries", flaw.line, flaw.field], msg=_reason(flaw), type="not_allowed")


def _reason(flaw: Flaw) -> str:
    return f"{flaw.reason}: {flaw.entry}" if flaw.entry else flaw.reason


def _item(row: CouplingEntry, studies: list[MatchedStudy]) -> EntryItem:
    return EntryItem(
        id=row.id,
        by=by(row),
        study_instance_uid=row.study_instance_uid,
        participant=row.participant,
        event=row.event,
        upload=row.upload,
        created_at=row.created_at,
        expires_at=row.expires_at,
        studies=studies,
    )
