"""Are messages handled: how many wait, for how long nothing was done about them, and how many are dead.

RabbitMQ does not say how old the first message of a queue is. What can be known on both buses: since when a queue has
not been seen empty, and when its listener last handled anything (the inbox).
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.readings import Reading, State, lasting
from shared.events import DeliveryRequested, TransferRequested
from shared.switches import Switch
from shared.tables import InboxEntry
from shared.tables.base import now
from shared.topology import all_queues, queue

COVERS: Final = frozenset({"queue", "dead letters"})
BEHIND_SWITCH: Final = {
    queue("anonymizer", TransferRequested): Switch.ANONYMISE,
    queue("sender", DeliveryRequested): Switch.SEND,
}
LOOK_BACK: Final = timedelta(hours=1)


class Queues:
    """Remembers since when which queue has not been seen empty."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._filled: dict[str, float] = {}

    async def look(self) -> list[Reading]:
        """One reading for each service that listens, and one of the dead."""
        bus = self._ground.context.bus
        depths = await bus.depths()
        handled = await self._handled()
        stalled = {name: self._stalled(name, depth, handled.get(name)) for name, depth in depths.items()}
        oldest = await bus.oldest()
        for name, depth in depths.items():
            metrics.QUEUE.labels(name).set(depth)
            metrics.STALLED.labels(name).set(stalled[name])
            if oldest or bus_tells(self._ground):
                age = (now() - oldest[name]).total_seconds() if name in oldest else 0.0
                metrics.OLDEST.labels(name).set(max(0.0, age))
        services = sorted({name.partition(".")[0] for name in all_queues()})
        return [*(self._service(each, depths, stalled) for each in services), await self._dead()]

    def _service(self, service: str, depths: Mapping[str, int], stalled: Mapping[str, float]) -> Reading:
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
            detail = f"{waiting} wait" if waiting else "empty"
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
        recent = InboxEntry.handled_at > now() - LOOK_BACK
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
