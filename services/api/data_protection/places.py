"""Where a project's images are: as they came, de-identified here, and at each destination."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, case, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.data_protection.held import studies_of
from services.api.data_protection.shapes import Place
from shared.store import Store
from shared.tables import Destination, Instance, Project, Transfer, TransferPart, WithdrawalPart

WHERE: Final = {
    "dicom": "{called_aet}@{host}:{port}",
    "dicomweb": "{url}",
    "folder": "{folder}",
}
"""What of a destination's configuration says where it is."""


class Part(NamedTuple):
    """A part of a transfer that was de-identified, and when that was asked for."""

    transfer: str
    study: str
    series: str
    revision: int
    at: datetime


async def places(session: AsyncSession, store: Store, project: Project) -> list[Place]:
    """A destination that was sent to is named even when the project has it no more."""
    return [
        await _archive(session, project.name),
        await _anonymized(session, store, project.name),
        *await _destinations(session, project),
    ]


async def _archive(session: AsyncSession, project: str) -> Place:
    query = select(
        func.count(Instance.study_instance_uid.distinct()),
        func.count(Instance.series_instance_uid.distinct()),
        func.count(),
        func.coalesce(func.sum(Instance.size), 0),
        func.min(Instance.received_at),
        func.max(Instance.received_at),
    ).where(Instance.study_instance_uid.in_(studies_of(project)), Instance.removed_at.is_(None))
    studies, series, instances, size, since, until = (await session.execute(query)).one()
    return Place(
        kind="archive",
        name="archive",
        where="archive/",
        studies=studies,
        series=series,
        instances=instances,
        bytes=int(size),
        since=since,
        until=until,
    )


async def _anonymized(session: AsyncSession, store: Store, project: str) -> Place:
    """By the files: rows say what was made, and of what the janitor or a withdrawal has removed none tells."""
    query = (
        select(
            TransferPart.transfer,
            Transfer.study_instance_uid,
            TransferPart.series_instance_uid,
            TransferPart.revision,
            Transfer.requested_at,
        )
        .join(Transfer, Transfer.id == TransferPart.transfer)
        .where(Transfer.project == project, TransferPart.anonymized > 0)
        .distinct()
    )
    parts = [Part(*row) for row in await session.execute(query)]
    files = await asyncio.to_thread(_files, store, parts)
    there = [part for part, number in zip(parts, files, strict=True) if number]
    days = [part.at for part in there]
    studies, series = {part.study for part in there}, {part.series for part in there}
    row = len(studies), len(series), sum(files), min(days, default=None), max(days, default=None)
    return _place("anonymized", "anonymized", "anonymized/", row)


def _files(store: Store, parts: Sequence[Part]) -> list[int]:
    """How many de-identified files of each part are there."""
    folders = (store / Store.anonymized(part.transfer, part.series, part.revision) for part in parts)
    return [sum(1 for _ in folder.glob("*.dcm")) for folder in folders]


async def _destinations(session: AsyncSession, project: Project) -> list[Place]:
    """Without what has left again. What was sent again is there once: of a part never more than it has instances."""
    sum_, most = func.sum(TransferPart.delivered), func.max(TransferPart.instances)
    left = exists().where(
        WithdrawalPart.transfer == TransferPart.transfer,
        WithdrawalPart.destination == TransferPart.destination,
        WithdrawalPart.state.in_(("withdrawn", "confirmed")),
    )
    parts = (
        select(
            TransferPart.destination.label("destination"),
            Transfer.study_instance_uid.label("study"),
            TransferPart.series_instance_uid.label("series"),
            case((sum_ > most, most), else_=sum_).label("instances"),
            func.min(Transfer.requested_at).label("since"),
            func.max(Transfer.requested_at).label("until"),
        )
        .join(Transfer, Transfer.id == TransferPart.transfer)
        .where(Transfer.project == project.name, TransferPart.delivered > 0, ~left)
        .group_by(TransferPart.destination, Transfer.study_instance_uid, TransferPart.series_instance_uid,
                  TransferPart.revision)
        .subquery()
    )  # fmt: skip
    query = _summed(parts, parts.c.instances, parts.c.since, parts.c.until).add_columns(parts.c.destination)
    rows = await session.execute(query.group_by(parts.c.destination))
    sent = {destination: row for *row, destination in rows}
    names = sorted({*sent, *project.destinations})
    known = {
        row.name: _where(row) for row in await session.scalars(select(Destination).where(Destination.name.in_(names)))
    }
    nothing = (0, 0, 0, None, None)
    return [_place("destination", name, known.get(name, "removed"), sent.get(name, nothing)) for name in names]


def _summed(parts: Any, instances: Any, since: Any, until: Any) -> Select[Any]:
    return select(
        func.count(parts.c.study.distinct()),
        func.count(parts.c.series.distinct()),
        func.coalesce(func.sum(instances), 0),
        func.min(since),
        func.max(until),
    )


def _place(kind: str, name: str, where: str, row: Any) -> Place:
    studies, series, instances, since, until = row
    return Place(
        kind=kind,
        name=name,
        where=where,
        studies=studies,
        series=series,
        instances=int(instances),
        bytes=None,
        since=since,
        until=until,
    )


def _where(destination: Destination) -> str:
    """Without what is secret in it."""
    config = {"folder": f"outbox/{destination.name}"} | {
        name: value for name, value in destination.config.items() if value is not None
    }
    return WHERE[destination.kind].format(**config)
