"""What the gateway still holds of what was de-identified for a project, part by part, by the manifests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.manifest import Manifest, ManifestError, read_manifest
from shared.store import Store
from shared.tables import Transfer, TransferPart


@dataclass(frozen=True)
class Made:
    """A part of a transfer that was de-identified: where it is, and how many instances it should have."""

    transfer: str
    participant: str
    event: str
    folder: str
    instances: int


@dataclass(frozen=True)
class Held:
    """An instance that is held; `path` is relative to the store. The UIDs are the de-identified ones."""

    participant: str
    event: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    path: str


async def made(session: AsyncSession, project: str) -> list[Made]:
    """All parts that were ever de-identified for a project, in the order of their transfers."""
    rows = await session.execute(
        select(
            Transfer.id,
            Transfer.participant,
            Transfer.event,
            TransferPart.series_instance_uid,
            TransferPart.revision,
            TransferPart.anonymized,
        )
        .join(TransferPart, TransferPart.transfer == Transfer.id)
        .where(Transfer.project == project, TransferPart.anonymized > 0)
        .order_by(Transfer.requested_at, Transfer.id, TransferPart.series_instance_uid, TransferPart.revision)
        .distinct()
        .add_columns(Transfer.requested_at)
    )
    return [
        Made(transfer, participant, event, Store.anonymized(transfer, series, revision), number)
        for transfer, participant, event, series, revision, number, _ in rows
    ]


def held(store: Store, parts: Iterable[Made]) -> tuple[list[Held], int]:
    """Every instance once, as it was made last; and how many are held no more."""
    found: dict[tuple[str, str], Held] = {}
    missing = 0
    for part in parts:
        there = 0
        for instance in _instances(store, part):
            found[instance.study_instance_uid, instance.sop_instance_uid] = instance
            there += 1
        missing += max(part.instances - there, 0)
    return list(found.values()), missing


def _instances(store: Store, part: Made) -> Iterator[Held]:
    try:
        manifest: Manifest = read_manifest(store, f"{part.folder}/manifest.json")
    except ManifestError:
        return
    for each in manifest.instances:
        if (store / each.path).is_file():
            yield Held(
                part.participant,
                part.event,
                manifest.study_instance_uid,
                manifest.series_instance_uid,
                each.sop_instance_uid,
                each.path,
            )
