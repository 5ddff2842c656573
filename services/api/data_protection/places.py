"""Where a project's images are: as they came, de-identified here, and at each destination."""

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.data_protection.held import studies_of
from services.api.data_protection.shapes import Place
from shared.tables import Destination, Instance, Project, Transfer, TransferPart

WHERE: Final = {
    "dicom": "{called_aet}@{host}:{port}",
    "dicomweb": "{url}",
    "folder": "{folder}",
}
"""What of a destination's configuration says where it is."""


async def places(session: AsyncSession, project: Project) -> list[Place]:
    """A destination that was sent to is named even when the project has it no more."""
    return [
        await _archive(session, project.name),
        await _anonymized(session, project.name),
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
    ).where(Instance.study_instance_uid.in_(studies_of(project)))
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


async def _anonymized(session: AsyncSession, project: str) -> Place:
    """Each part once, however many destinations it goes to."""
    parts = (
        select(
            Transfer.study_instance_uid.label("study"),
            TransferPart.series_instance_uid.label("series"),
            func.max(TransferPart.anonymized).label("instances"),
            func.min(Transfer.requested_at).label("at"),
        )
        .join(Transfer, Transfer.id == TransferPart.transfer)
        .where(Transfer.project == project, TransferPart.anonymized > 0)
        .group_by(Transfer.study_instance_uid, TransferPart.transfer, TransferPart.series_instance_uid,
                  TransferPart.revision)
        .subquery()
    )  # fmt: skip
    row = (await session.execute(_summed(parts, parts.c.instances, parts.c.at))).one()
    return _place("anonymized", "anonymized", "anonymized/", row)


async def _destinations(session: AsyncSession, project: Project) -> list[Place]:
    query = (
        select(
            TransferPart.destination,
            func.count(Transfer.study_instance_uid.distinct()),
            func.count(TransferPart.series_instance_uid.distinct()),
            func.sum(TransferPart.delivered),
            func.min(Transfer.requested_at),
            func.max(Transfer.requested_at),
        )
        .join(Transfer, Transfer.id == TransferPart.transfer)
        .where(Transfer.project == project.name, TransferPart.delivered > 0)
        .group_by(TransferPart.destination)
    )
    sent = {row[0]: row[1:] for row in await session.execute(query)}
    names = sorted({*sent, *project.destinations})
    rows = await session.scalars(select(Destination).where(Destination.name.in_(names)))
    known = {row.name: _where(row) for row in rows}
    nothing = (0, 0, 0, None, None)
    return [_place("destination", name, known.get(name, "removed"), sent.get(name, nothing)) for name in names]


def _summed(parts: Any, instances: Any, at: Any) -> Any:
    return select(
        func.count(parts.c.study.distinct()),
        func.count(parts.c.series.distinct()),
        func.coalesce(func.sum(instances), 0),
        func.min(at),
        func.max(at),
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
