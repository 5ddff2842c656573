"""Whether what a failed transfer could not bring has come since, by others that are complete: resends, or reviews."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Transfer, TransferPart

Part = tuple[str, int]
"""SeriesInstanceUID and revision."""


async def made_good(session: AsyncSession, transfers: Iterable[Transfer]) -> dict[str, str]:
    """Failed transfer -> the later one with which all of it had come; those that are still missed are not in it."""
    failed = [each for each in transfers if each.state == "failed"]
    if not failed:
        return {}
    assignments = {each.assignment for each in failed}
    complete = select(Transfer).where(Transfer.assignment.in_(assignments), Transfer.state == "completed")
    later = list(await session.scalars(complete.order_by(Transfer.requested_at, Transfer.id)))
    parts = await _parts(session, [each.id for each in (*failed, *later)])
    found: dict[str, str] = {}
    for each in failed:
        since = [
            one for one in later if (one.assignment, one.requested_at > each.requested_at) == (each.assignment, True)
        ]
        if (last := _covering(parts[each.id], [(one.id, parts[one.id]) for one in since])) is not None:
            found[each.id] = last
    return found


def _covering(wanted: set[Part], brought: Sequence[tuple[str, set[Part]]]) -> str | None:
    """The one with which, in their order, nothing is missed any more."""
    missed = set(wanted)
    for identity, parts in brought:
        missed -= parts
        if not missed:
            return identity
    return None


async def _parts(session: AsyncSession, transfers: Sequence[str]) -> Mapping[str, set[Part]]:
    columns = TransferPart.transfer, TransferPart.series_instance_uid, TransferPart.revision
    found: dict[str, set[Part]] = defaultdict(set)
    for transfer, series, revision in await session.execute(select(*columns).where(columns[0].in_(transfers))):
        found[transfer].add((series, revision))
    return found
