"""What the gateway still holds of what was de-identified for a project, part by part, by the manifests."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.manifest import ManifestError, read_manifest
from shared.registry.life import NotNow
from shared.store import Store
from shared.tables import Participant, Transfer, TransferPart
from shared.transfers import STOPPED


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
    """All parts that were ever de-identified for a project, in the order of their transfers.

    Those of transfers that a person has taken back, and of participants whose consent was withdrawn, are none of them,
    whether or not they have been removed by now.
    """
    withdrawn = exists().where(
        Participant.project == Transfer.project,
        Participant.name == Transfer.participant,
        Participant.withdrawn_at.is_not(None),
    )
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
        .where(Transfer.project == project, Transfer.state.not_in(STOPPED), TransferPart.anonymized > 0, ~withdrawn)
        .order_by(Transfer.requested_at, Transfer.id, TransferPart.series_instance_uid, TransferPart.revision)
        .distinct()
        .add_columns(Transfer.requested_at)
    )
    return [
        Made(transfer, participant, event, Store.anonymized(transfer, series, revision), number)
        for transfer, participant, event, series, revision, number, _ in rows
    ]


async def check_still_made(session: AsyncSession, project: str, parts: Iterable[Made]) -> None:
    """NotNow when some of these parts were taken back since they were looked up."""
    if not {each.transfer for each in parts} <= {each.transfer for each in await made(session, project)}:
        raise NotNow("something in it was taken back while it was made")


def held(store: Store, parts: Iterable[Made]) -> tuple[list[Held], int]:
    """Every instance once, as it was made last; and how many are held no more, in no part that had them."""
    found: dict[tuple[str, str], Held] = {}
    named: set[tuple[str, str]] = set()
    unnamed = 0
    for part in parts:
        try:
            manifest = read_manifest(store, f"{part.folder}/manifest.json")
        except ManifestError:
            unnamed += part.instances
            continue
        study = manifest.study_instance_uid
        for each in manifest.instances:
            this = study, each.sop_instance_uid
            named.add(this)
            if (store / each.path).is_file():
                found[this] = Held(
                    part.participant, part.event, study, manifest.series_instance_uid, this[1], each.path
                )
    return list(found.values()), unnamed + len(named - found.keys())
