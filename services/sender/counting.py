"""Nothing is called complete before it was counted: when a transfer is whole, and what its destinations confirm."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from services.sender import records
from services.sender.destinations import Destinations
from shared.database import Database
from shared.events import TransferCompleted, TransferFailed
from shared.handlers import Retry
from shared.scu.statuses import describe
from shared.tables.sender import Delivery

AGAIN = (10.0, 60.0, 60.0, 600.0, 600.0)
"""Seconds after the n-th count that fell short: destinations may index late."""


def whole(finished: Sequence[Delivery]) -> bool:
    """Whether every part has its answers from every destination."""
    if not finished:
        return False
    per_destination = Counter(delivery.destination for delivery in finished)
    return all(per_destination[name] >= finished[0].parts for name in finished[0].destinations)


def completed(finished: Sequence[Delivery]) -> TransferCompleted:
    """The sums of a whole transfer of which nothing was refused and everything was counted."""
    first = finished[0]
    of_one = [delivery for delivery in finished if delivery.destination == first.destination]
    confirmed = Counter[str](dict.fromkeys(first.destinations, 0))
    for delivery in finished:
        confirmed[delivery.destination] += delivery.counted or 0
    return TransferCompleted(
        transfer=first.transfer,
        delivered=sum(delivery.delivered for delivery in of_one),
        quarantined=sum(delivery.quarantined for delivery in of_one),
        left_out=sum(delivery.left_out for delivery in of_one),
        counted=min(confirmed.values()),
    )


async def refused(database: Database, finished: Sequence[Delivery]) -> TransferFailed | None:
    """Why a transfer cannot be complete, if a destination has refused instances for good."""
    total = sum(delivery.refused for delivery in finished)
    if not total:
        return None
    reasons: dict[str, Counter[int]] = {}
    async with database.reading() as session:
        for delivery in finished:
            if delivery.refused:
                reasons.setdefault(delivery.destination, Counter()).update(await records.refusals(session, delivery))
    words = "; ".join(
        f"{name}: " + ", ".join(f"{number} × {describe(status)}" for status, number in statuses.most_common(3))
        for name, statuses in sorted(reasons.items())
    )
    return TransferFailed(transfer=finished[0].transfer, reason=f"refused by {words}", refused=total)


async def count(
    database: Database, destinations: Destinations, finished: Sequence[Delivery], tries: int
) -> TransferFailed | None:
    """Ask the destinations for all that they acknowledged. Retry while some is not found, for `tries` times."""
    open_parts = sorted(
        (delivery for delivery in finished if delivery.counted is None), key=lambda each: each.destination
    )
    short: list[tuple[Delivery, int]] = []
    for name, parts in groupby(open_parts, key=lambda each: each.destination):
        async with destinations.open(name) as opened:
            for delivery in parts:
                series = delivery.target_series_instance_uid
                number = 0
                if delivery.delivered and series is not None:
                    async with database.reading() as session:
                        sent = await records.taken(session, delivery)
                    found = await opened.client.count(delivery.target_study_instance_uid, series)
                    number = found.confirms(sent) if found is not None else 0
                    if found is not None and number < len(sent):
                        short.append((delivery, len(sent) - number))
                        continue
                async with database.session() as session:
                    await records.counted(session, delivery, number)
    if not short:
        return None
    async with database.session() as session:
        for delivery, _ in short:
            await records.asked_in_vain(session, delivery)
    missing = sum(number for _, number in short)
    where = ", ".join(sorted({delivery.destination for delivery, _ in short}))
    why = f"{where}: {missing} instances that were acknowledged are not found there"
    tried = max(delivery.count_tries for delivery, _ in short) + 1
    if tried >= tries:
        return TransferFailed(transfer=short[0][0].transfer, reason=why, refused=0)
    raise Retry(why, delay=AGAIN[min(tried, len(AGAIN)) - 1])
