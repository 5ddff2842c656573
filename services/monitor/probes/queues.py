"""Are messages handled: how many wait, for how long nothing was done about them, and how many are dead.

RabbitMQ does not say how old the first message of a queue is. What can be known on both buses: since when a queue has
not been seen empty, and when its listener last handled anything (the inbox). Of a broker's messages the oldest is found
among those that were published since the queue was last seen empty, by the inbox that does not know it.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.readings import Reading, State, lasting
from shared.events import DeliveryRequested, TransferRequested
from shared.ledger import history
from shared.moments import AHEAD
from shared.switchable import Switch
from shared.tables import InboxEntry
from shared.tables.base import now
from shared.topology import all_queues, queue

COVERS: Final = frozenset({"queue", "dead letters"})
BEHIND_SWITCH: Final = {
    queue("anonymizer", TransferRequested): Switch.ANONYMISE,
    queue("sender", DeliveryRequested): Switch.SEND,
}
LOOK_BACK: Final = timedelta(hours=1)
AT_FIRST: Final = timedelta(days=1)
"""How far back a message is looked for before a queue has been seen empty."""
MARGIN: Final = timedelta(seconds=5)
"""A message is noted as published a moment after it was, by another clock."""


class Queues:
    """Remembers since when which queue has not been seen empty."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._filled: dict[str, float] = {}
        self._since: dict[str, datetime] = {}

    async def look(self) -> list[Reading]:
        """One reading for each service that listens, and one of the dead."""
        bus = self._ground.context.bus
        depths = await bus.depths()
        handled = await self._handled()
        stalled = {name: self._stalled(name, depth, handled.get(name)) for name, depth in depths.items()}
        oldest = await bus.oldest() if bus_tells(self._ground) else await self._oldest(depths)
        ages = {name: max(0.0, (now() - at).total_seconds()) for name, at in oldest.items()}
        for name, depth in depths.items():
            metrics.QUEUE.labels(name).set(depth)
            metrics.STALLED.labels(name).set(stalled[name])
            if depth and name not in ages:
                with suppress(KeyError):
                    metrics.OLDEST.remove(name)
            else:
                metrics.OLDEST.labels(name).set(ages.get(name, 0.0))
        services = sorted({name.partition(".")[0] for name in all_queues()})
        return [*(self._service(each, depths, stalled, ages) for each in services), await self._dead()]

    async def _oldest(self, depths: Mapping[str, int]) -> dict[str, datetime]:
        """When the oldest message of a queue was published, where that stands in the database."""
        moment, found = now(), {}
        self._since |= {name: moment for name, depth in depths.items() if not depth}
        async with self._ground.context.database.reading() as session:
            for name in (name for name, depth in depths.items() if depth):
                since = self._since.setdefault(name, moment - AT_FIRST)
                if (first := await history.oldest(session, name, since - MARGIN)) is not None:
                    found[name] = self._since[name] = first
        return found

    def _service(
        self, service: str, depths: Mapping[str, int], stalled: Mapping[str, float], ages: Mapping[str, float]
    ) -> Reading:
        settings = self._ground.settings
        mine = [name for name in depths if name.partition(".")[0] == service]
        stuck = [name for name in mine if stalled[name] >= settings.stalled_seconds]
        long = [name for name in mine if depths[name] > settings.queue_messages]
        waiting = sum(depths[name] for name in mine)
        state: State = "failing" if stuck else "warning" if long else "ok"
        if stuck:
            name = max(stuck, key=stalled.__getitem__)
            detail = f"{name}: {depths[name]} wait, nothing handled for {lasting(stalled[name])}"
        elif long:
            name = max(long, key=depths.__getitem__)
            detail = f"{name}: {depths[name]} wait"
        else:
            age = max((ages[name] for name in mine if depths[name] and name in ages), default=None)
            detail = f"{waiting} wait" if waiting else "empty"
            detail += f", the oldest for {lasting(age)}" if age is not None else ""
        return Reading("queue", service, state, detail, waiting)

    def _stalled(self, name: str, depth: int, handled: datetime | None) -> float:
        """For how long nothing has moved in a queue that should."""
        switch = BEHIND_SWITCH.get(name)
        if not depth or (switch is not None and not self._ground.switches.is_on(switch)):
            self._filled.pop(name, None)
            return 0.0
        filled = time.monotonic() - self._filled.setdefault(name, time.monotonic())
        return filled if handled is None else max(0.0, min(filled, (now() - handled).total_seconds()))

    async def _handled(self) -> dict[str, datetime]:
        recent = InboxEntry.handled_at.between(now() - LOOK_BACK, now() + AHEAD)
        query = select(InboxEntry.queue, func.max(InboxEntry.handled_at)).where(recent).group_by(InboxEntry.queue)
        async with self._ground.context.database.reading() as session:
            return {row[0]: row[1] for row in await session.execute(query)}

    async def _dead(self) -> Reading:
        count = await self._ground.context.bus.dead_count()
        metrics.DEAD.set(count)
        return Reading("dead letters", "", "warning" if count else "ok", f"{count} dead letters", count)


def bus_tells(ground: Ground) -> bool:
    """Whether the bus can tell how old messages are."""
    return ground.context.settings.bus() == "embedded:"
