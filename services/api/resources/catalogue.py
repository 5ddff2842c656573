"""Studies as people see them: the catalogue's row, the decrypted identity, the assignments. Two queries a page."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field
from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.answers import Page, Shape, example
from services.api.lists import from_nearer_end, latest_first
from services.api.sight import assigned_to_theirs, assigns, in_sight, studies_in_sight
from shared.crypto import Vault
from shared.registry.coupling import patient_id_key
from shared.tables import Assignment, PatientIdentity, Study, StudyIdentity
from shared.tables.base import now

State = Literal["waiting", "assigned", "all"]
"""Waiting: in no project yet, and not gone from the archive either. Assigned: in one at least."""

BY_ARRIVAL = (Study.first_seen_at, Study.study_instance_uid)
"""As an index has it. Lists show the latest first."""

PATIENTS_AT_ONCE = 2000


class StudyAssignment(Shape):
    """What a study was assigned to, and whether that was taken."""

    id: str
    project: str
    participant: str = Field(description="empty when it was refused")
    event: str
    reason: str = Field(
        description="person, coupling <id>, rule <id>, auto <AE title>, correction <id> or derived from <UID>"
    )
    refused: str | None = Field(description="why it was not taken; null: it is in force")
    waits_for: str | None = Field(description="the withdrawal that has to be done before it is sent")
    created_at: datetime
    ended_at: datetime | None = Field(description="by a correction; null: it is in force, if it was not refused")


class StudyItem(Shape):
    """A study, with what people need to know it by."""

    model_config = example(
        study_instance_uid="1.2.826.0.1.3680043.8.498.1",
        accession_number="A-1001",
        patient_id="P-17",
        study_description="MR brain",
        operators_name="",
        institution_name="",
        study_date="20260102",
        study_time="101500",
        modalities=["MR"],
        manufacturer="SIEMENS",
        model="Prisma",
        station_name="MR1",
        series=4,
        instances=812,
        conflicts=0,
        first_seen_at="2026-01-02T10:30:00Z",
        arrived_at="2026-01-02T10:32:11Z",
        removed_at=None,
        assignments=[],
    )
    study_instance_uid: str
    accession_number: str | None
    patient_id: str | None
    study_description: str | None
    operators_name: str | None
    institution_name: str | None
    study_date: str | None
    study_time: str | None
    modalities: list[str]
    manufacturer: str | None
    model: str | None
    station_name: str | None
    series: int
    instances: int
    conflicts: int = Field(description="files with other bytes under a SOP Instance UID that was taken")
    first_seen_at: datetime
    arrived_at: datetime | None = Field(description="null while instances are still coming in")
    removed_at: datetime | None = Field(description="when its files left the archive; null: they are there")
    assignments: list[StudyAssignment]


def assigned(project: str | None = None) -> ColumnElement[bool]:
    """The study is in a project, or in this one."""
    where = [Assignment.study_instance_uid == Study.study_instance_uid, Assignment.in_force]
    if project is not None:
        where.append(Assignment.project == project)
    return exists().where(*where)


def waiting() -> ColumnElement[bool]:
    """Somebody may still assign the study: it is in no project, and no policy has removed its files."""
    return and_(~assigned(), Study.is_here)


def in_state(state: State) -> list[ColumnElement[bool]]:
    """A state as a condition."""
    return {"waiting": [waiting()], "assigned": [assigned()], "all": []}[state]


def seen_within(days: float) -> ColumnElement[bool]:
    """The study's first instance came in the last so many days."""
    return Study.first_seen_at >= now() - timedelta(days=days)


async def of_patient(session: AsyncSession, vault: Vault, patient_id: str) -> ColumnElement[bool]:
    """The study is of a patient with this PatientID, whoever issued it."""
    hashed = PatientIdentity.patient_id_hash == patient_id_key(vault, patient_id)
    found = list(await session.scalars(select(PatientIdentity.id).where(hashed)))
    return Study.patient.in_([*found, *await _not_yet_hashed(session, vault, patient_id.strip())])


async def _not_yet_hashed(session: AsyncSession, vault: Vault, wanted: str) -> list[str]:
    """The same among identities of a time before PatientIDs were hashed alone, which the indexer is catching up on."""

    def fitting(rows: Sequence[tuple[str, bytes]]) -> list[str]:
        return [patient for patient, sealed in rows if vault.decrypt(sealed).strip() == wanted]

    unhashed = select(PatientIdentity.id, PatientIdentity.patient_id).where(PatientIdentity.patient_id_hash.is_(None))
    found: list[str] = []
    rows = await session.stream(unhashed.execution_options(yield_per=PATIENTS_AT_ONCE))
    async for some in rows.partitions():
        found += await asyncio.to_thread(fitting, [(row[0], row[1]) for row in some])
    return found


async def page_of_studies(
    session: AsyncSession, vault: Vault, who: Actor, where: Sequence[ColumnElement[bool]], limit: int, offset: int
) -> Page[StudyItem]:
    """Studies that fit and are in sight, latest first."""
    where = [*where, studies_in_sight(who)]
    total = await session.scalar(select(func.count()).select_from(Study).where(*where)) or 0
    latest = latest_first(BY_ARRIVAL)
    page = from_nearer_end(select(Study.study_instance_uid).where(*where), latest, total, limit, offset)
    rows = await session.execute(
        select(Study, StudyIdentity)
        .outerjoin(StudyIdentity, StudyIdentity.study_instance_uid == Study.study_instance_uid)
        .where(Study.study_instance_uid.in_(page))
        .order_by(*latest)
    )
    found = [(row[0], row[1]) for row in rows]
    part = await _assignments(session, who, [study.study_instance_uid for study, _ in found])
    items = [_seen_by(who, vault, study, identity, part[study.study_instance_uid]) for study, identity in found]
    return Page(items=items, total=total)


@dataclass
class Part:
    """What of a study's assignments somebody sees, and whether it is in force anywhere, and there theirs."""

    shown: list[StudyAssignment] = field(default_factory=list)
    in_force: bool = False
    theirs: bool = False


def _seen_by(who: Actor, vault: Vault, study: Study, identity: StudyIdentity | None, part: Part) -> StudyItem:
    """Without what is of other projects and sites, and without the identity where it is none of theirs."""
    shows = part.theirs if part.in_force else assigns(who)
    return study_item(vault, study, identity if shows else None, part.shown)


async def _assignments(session: AsyncSession, who: Actor, studies: Sequence[str]) -> dict[str, Part]:
    by_study: dict[str, Part] = defaultdict(Part)
    seen = in_sight(who, "list_studies", Assignment.project, Assignment.participant)
    rows = await session.execute(
        select(Assignment, seen, assigned_to_theirs(who))
        .where(Assignment.study_instance_uid.in_(studies))
        .order_by(Assignment.created_at, Assignment.id)
    )
    for row, shown, theirs in rows:
        part = by_study[row.study_instance_uid]
        part.in_force |= row.in_force
        part.theirs |= row.in_force and bool(theirs)
        if not shown:
            continue
        part.shown.append(
            StudyAssignment(
                id=row.id,
                project=row.project,
                participant=row.participant,
                event=row.event,
                reason=row.reason,
                refused=row.refused,
                waits_for=row.waits_for,
                created_at=row.created_at,
                ended_at=row.ended_at,
            )
        )
    return by_study


def study_item(
    vault: Vault, study: Study, identity: StudyIdentity | None, assignments: list[StudyAssignment]
) -> StudyItem:
    """A row and its identity, decrypted, as an item."""
    details = json.loads(vault.decrypt(identity.details)) if identity else {}
    return StudyItem(
        study_instance_uid=study.study_instance_uid,
        accession_number=vault.decrypt(identity.accession_number) if identity else None,
        patient_id=details.get("PatientID"),
        study_description=details.get("StudyDescription"),
        operators_name=details.get("OperatorsName"),
        institution_name=details.get("InstitutionName"),
        study_date=study.study_date,
        study_time=study.study_time,
        modalities=study.modalities,
        manufacturer=study.manufacturer,
        model=study.model,
        station_name=study.station_name,
        series=study.series_count,
        instances=study.instance_count,
        conflicts=study.conflict_count,
        first_seen_at=study.first_seen_at,
        arrived_at=study.arrived_at,
        removed_at=study.removed_at,
        assignments=assignments,
    )
