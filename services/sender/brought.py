"""What a transfer has brought to a destination, instance by instance: from its manifests and from the answers."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.sender.clients import Leaving
from services.sender.settled import brought_by_others
from shared.manifest import Manifest, part_manifest
from shared.scu.statuses import Verdict, verdict
from shared.store import Store
from shared.tables import BegunDelivery, Delivery, SentInstance, Transfer
from shared.transfers import STOPPED

AT_ONCE = 500
Part = tuple[str, int]
"""SeriesInstanceUID of the source, and revision."""


@dataclass(frozen=True)
class Brought:
    """What is to leave, what stays because another transfer has brought it, too, and what nobody can name any more."""

    leaving: tuple[Leaving, ...] = ()
    staying: int = 0
    nameless: int = 0

    @property
    def study_instance_uid(self) -> str | None:
        """As the destination knows it."""
        return self.leaving[0].study_instance_uid if self.leaving else None


async def brought(session: AsyncSession, store: Store, transfer: str, destination: str) -> Brought:
    """What the destination has taken of a transfer, or may have taken: all of a begun part but what it refused."""
    leaving: list[Leaving] = []
    nameless = 0
    answers = await _answers(session, transfer, destination)
    for part in await _begun(session, transfer, destination):
        of_part = answers.get(part, {})
        names = part_manifest(store, transfer, *part) or await _names(session, transfer, destination, part)
        taken = [uid for uid, meant in of_part.items() if meant is Verdict.TAKEN]
        if isinstance(names, Manifest):
            leaving += [
                Leaving(names.study_instance_uid, names.series_instance_uid, each.sop_instance_uid, store / each.path)
                for each in names.instances
                if of_part.get(each.sop_instance_uid) is not Verdict.REFUSED
            ]
        elif not of_part:
            nameless += await _delivered(session, transfer, destination, part)
        elif names is not None:
            leaving += [Leaving(*names, uid, None) for uid in taken]
        else:
            nameless += len(taken)
    others = await _of_others(session, transfer, destination, [each.sop_instance_uid for each in leaving])
    others = {*others, *await brought_by_others(session, store, transfer, destination)} if leaving else others
    mine = tuple(each for each in leaving if each.sop_instance_uid not in others)
    return Brought(mine, len(leaving) - len(mine), nameless)


async def _answers(session: AsyncSession, transfer: str, destination: str) -> dict[Part, dict[str, Verdict]]:
    rows = await session.execute(
        select(
            SentInstance.series_instance_uid, SentInstance.revision, SentInstance.sop_instance_uid, SentInstance.status
        ).where(SentInstance.transfer == transfer, SentInstance.destination == destination)
    )
    found: dict[Part, dict[str, Verdict]] = {}
    for series, revision, uid, status in rows:
        found.setdefault((series, revision), {})[uid] = verdict(status)
    return found


async def _begun(session: AsyncSession, transfer: str, destination: str) -> Sequence[Part]:
    """The parts of which something may be there; those of a time that did not note a beginning have answers."""
    parts: set[Part] = set()
    for table in (BegunDelivery, SentInstance):
        rows = await session.execute(
            select(table.series_instance_uid, table.revision)
            .where(table.transfer == transfer, table.destination == destination)
            .distinct()
        )
        parts |= {(series, revision) for series, revision in rows}
    return sorted(parts)


async def _names(session: AsyncSession, transfer: str, destination: str, part: Part) -> tuple[str, str] | None:
    """Study and series as the destination knows them, when the manifest is gone."""
    row = await session.get(Delivery, (transfer, destination, *part))
    if row is None or row.target_series_instance_uid is None:
        return None
    return row.target_study_instance_uid, row.target_series_instance_uid


async def _delivered(session: AsyncSession, transfer: str, destination: str, part: Part) -> int:
    """How many were taken of a part of which there is no answer left: none, unless it was settled."""
    row = await session.get(Delivery, (transfer, destination, *part))
    return row.delivered if row is not None else 0


async def _of_others(session: AsyncSession, transfer: str, destination: str, uids: Sequence[str]) -> Collection[str]:
    """Which of these instances another transfer, one that is wanted, has brought to the destination."""
    found: set[str] = set()
    for some in _portions(uids):
        rows = await session.execute(
            select(SentInstance.sop_instance_uid, SentInstance.status)
            .join(Transfer, Transfer.id == SentInstance.transfer)
            .where(
                SentInstance.sop_instance_uid.in_(some),
                SentInstance.destination == destination,
                SentInstance.transfer != transfer,
                Transfer.state.not_in(STOPPED),
            )
        )
        found |= {uid for uid, status in rows if verdict(status) is Verdict.TAKEN}
    return found


def _portions(uids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (uids[start : start + AT_ONCE] for start in range(0, len(uids), AT_ONCE))
