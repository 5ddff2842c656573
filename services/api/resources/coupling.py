"""Coupling lists: which participant a study belongs to, known before (or after) the study is here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar

from fastapi import APIRouter, Response
from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.answers import Page, Shape, example
from services.api.needs import Ctx, EventName, Limit, Offset, Participant, ProjectName, Uid
from services.api.problems import FieldError, Problem, documented, invalid
from services.api.resources.projects import get_project
from shared.bus import Message
from shared.crypto import Vault
from shared.database import insert_new, lock
from shared.events import StudyArrived
from shared.ledger import add
from shared.registry.expressions import fits
from shared.tables import CouplingEntry, Project, Study
from shared.tables.base import new_id, now

router = APIRouter(tags=["coupling"])
AT_ONCE = 500
"""Rows or values of one statement."""

T = TypeVar("T")
Key = tuple[str | None, str | None]
"""(accession hash, StudyInstanceUID): one of the two."""


class NewEntry(Shape):
    """A study by its accession number or its UID, and whose it is."""

    model_config = example(accession_number="A-1001", participant="ABCD-0017", event="baseline")
    accession_number: str | None = Field(default=None, min_length=1, max_length=64, pattern=r"\S")
    study_instance_uid: Uid | None = None
    participant: Participant
    event: EventName = "Unknown"

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.accession_number is None) == (self.study_instance_uid is None):
            raise ValueError("either accession_number or study_instance_uid")
        return self

    def key(self, vault: Vault) -> Key:
        """What makes two entries of a project the same."""
        number = self.accession_number
        return (vault.hash("accession", number) if number is not None else None, self.study_instance_uid)


class NewEntries(Shape):
    """A coupling list, or a part of one."""

    model_config = example(
        entries=[{"accession_number": "A-1001", "participant": "ABCD-0017", "event": "baseline"}],
        expires_days=14,
    )
    entries: list[NewEntry] = Field(min_length=1, max_length=10_000)
    expires_days: float | None = Field(default=14, gt=0, le=36500, description="null: never")


class EntryItem(Shape):
    """An entry; an accession number is not shown again."""

    model_config = example(
        id="4e5a0c5e-1f0f-4b89-8a53-0d7a5b6d0c11",
        by="accession_number",
        study_instance_uid=None,
        participant="ABCD-0017",
        event="baseline",
        created_at="2026-01-01T08:00:00Z",
        expires_at="2026-01-15T08:00:00Z",
    )
    id: str
    by: str = Field(description="accession_number or study_instance_uid")
    study_instance_uid: str | None
    participant: str
    event: str
    created_at: datetime
    expires_at: datetime | None


class Entries(Page[EntryItem]):
    """The entries as they stand now, and how many studies that are here already they were tried on."""

    studies: int


@router.get(
    "/projects/{name}/coupling",
    summary="The coupling list of a project",
    responses=documented("unknown-project"),
)
async def list_coupling(context: Ctx, name: ProjectName, limit: Limit = 100, offset: Offset = 0) -> Page[EntryItem]:
    """Entries in force, oldest first."""
    mine = CouplingEntry.project == name, _in_force()
    async with context.database.reading() as session:
        await get_project(session, name)
        total = await session.scalar(select(func.count()).select_from(CouplingEntry).where(*mine)) or 0
        rows = await session.scalars(
            select(CouplingEntry)
            .where(*mine)
            .order_by(CouplingEntry.created_at, CouplingEntry.id)
            .limit(limit)
            .offset(offset)
        )
        return Page(items=[_item(row) for row in rows], total=total)


@router.post(
    "/projects/{name}/coupling",
    summary="Add to a project's coupling list",
    status_code=201,
    responses=documented("unknown-project", "coupled-otherwise", "invalid-request"),
)
async def add_coupling(context: Ctx, name: ProjectName, wish: NewEntries, response: Response) -> Entries:
    """All or nothing. An entry that is there already is given the new expiry; studies that are here are tried.

    They are tried after the entries are committed, in a transaction of its own: in one, a study that arrives
    in between would be seen by neither side. If that fails, asking again does it.
    """
    vault = context.vault
    keyed = _each_once(wish.entries, vault)
    expires_at = now() + timedelta(days=wish.expires_days) if wish.expires_days is not None else None
    async with context.database.session() as session:
        await lock(session, "coupling", name)
        project = await get_project(session, name)
        _check(project, wish.entries)
        rows = await _store(session, vault, name, keyed, expires_at)
    async with context.database.session() as session:
        arrived = await _arrived(session, keyed)
        await add(session, [Message.of(event) for event in arrived])
    context.relay.wake()
    response.headers["Location"] = f"/api/v1/projects/{name}/coupling"
    return Entries(items=[_item(row) for row in rows], total=len(rows), studies=len(arrived))


@router.delete(
    "/projects/{name}/coupling/{identity}",
    summary="Remove an entry",
    status_code=204,
    responses=documented("unknown-project", "unknown-coupling-entry"),
)
async def remove_coupling(context: Ctx, name: ProjectName, identity: str) -> None:
    """What it has assigned so far stays assigned."""
    this = CouplingEntry.project == name, CouplingEntry.id == identity
    async with context.database.session() as session:
        await get_project(session, name)
        removed = await session.execute(delete(CouplingEntry).where(*this).returning(CouplingEntry.id))
        if not removed.all():
            raise Problem("unknown-coupling-entry")


def _in_force() -> ColumnElement[bool]:
    return or_(CouplingEntry.expires_at.is_(None), CouplingEntry.expires_at > now())


def _error(index: int, field: str, msg: str) -> FieldError:
    return FieldError(loc=["body", "entries", index, field], msg=msg, type="not_allowed")


def _each_once(entries: Sequence[NewEntry], vault: Vault) -> dict[Key, NewEntry]:
    """By key; a list that says the same of a study twice is taken, one that contradicts itself is not."""
    keyed: dict[Key, NewEntry] = {}
    errors = []
    for index, entry in enumerate(entries):
        before = keyed.setdefault(entry.key(vault), entry)
        if (before.participant, before.event) != (entry.participant, entry.event):
            errors.append(_error(index, "participant", "the list says otherwise of this study before"))
    if errors:
        raise invalid(*errors)
    return keyed


def _check(project: Project, entries: Sequence[NewEntry]) -> None:
    errors = []
    for index, entry in enumerate(entries):
        if not fits(project.participant_pattern, entry.participant):
            errors.append(_error(index, "participant", f"the whole name has to fit {project.participant_pattern}"))
        if project.events and entry.event not in project.events:
            errors.append(_error(index, "event", f"there are: {', '.join(project.events)}"))
    if errors:
        raise invalid(*errors[:100])


async def _store(
    session: AsyncSession,
    vault: Vault,
    project: str,
    keyed: dict[Key, NewEntry],
    expires_at: datetime | None,
) -> list[CouplingEntry]:
    """The rows of all keys, new or prolonged."""
    there: dict[Key, CouplingEntry] = {}
    for some in _portions(list(keyed)):
        mine = CouplingEntry.project == project, _in_force()
        named = _names(some, CouplingEntry.accession_hash, CouplingEntry.study_instance_uid)
        for row in await session.scalars(select(CouplingEntry).where(*mine, named)):
            there[row.accession_hash, row.study_instance_uid] = row
    for key, row in there.items():
        if (row.participant, row.event) != (keyed[key].participant, keyed[key].event):
            raise Problem("coupled-otherwise", "remove the entry that is there first")
    for row in there.values():
        row.expires_at = expires_at
    fresh = [_values(vault, project, key, entry, expires_at) for key, entry in keyed.items() if key not in there]
    for values in _portions(fresh):
        await insert_new(session, CouplingEntry, values)
    made = {(each["accession_hash"], each["study_instance_uid"]): CouplingEntry(**each) for each in fresh}
    return [there.get(key) or made[key] for key in keyed]


def _values(vault: Vault, project: str, key: Key, entry: NewEntry, expires_at: datetime | None) -> dict[str, Any]:
    return {
        "id": new_id(),
        "project": project,
        "accession_hash": key[0],
        "accession_number": vault.encrypt(entry.accession_number) if entry.accession_number else None,
        "study_instance_uid": entry.study_instance_uid,
        "participant": entry.participant,
        "event": entry.event,
        "created_at": now(),
        "expires_at": expires_at,
    }


async def _arrived(session: AsyncSession, keyed: dict[Key, NewEntry]) -> list[StudyArrived]:
    """Studies that are here whole already: the router is to look at them again, which changes nothing twice."""
    found: dict[str, StudyArrived] = {}
    for some in _portions(list(keyed)):
        named = _names(some, Study.accession_hash, Study.study_instance_uid)
        rows = await session.execute(
            select(Study.study_instance_uid, Study.series_count, Study.instance_count).where(
                Study.arrived_at.is_not(None), named
            )
        )
        for uid, series, instances in rows:
            found[uid] = StudyArrived(study_instance_uid=uid, series=series, instances=instances)
    return list(found.values())


def _names(keys: Sequence[Key], hashes: Any, uids: Any) -> ColumnElement[bool]:
    return or_(hashes.in_([key[0] for key in keys if key[0]]), uids.in_([key[1] for key in keys if key[1]]))


def _portions(rows: list[T]) -> list[list[T]]:
    return [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]


def _item(row: CouplingEntry) -> EntryItem:
    return EntryItem(
        id=row.id,
        by="study_instance_uid" if row.study_instance_uid else "accession_number",
        study_instance_uid=row.study_instance_uid,
        participant=row.participant,
        event=row.event,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
