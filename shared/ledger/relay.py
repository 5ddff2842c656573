"""The relay hands the outbox to the bus with confirms; any number of relays may run at once.

A relay takes rows in hand for a few seconds, publishes them, and moves them to what was published. If it dies in
between, another takes them when the time is up, and the listeners' inboxes recognise what they have already handled.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import delete, func, or_, select, update

from shared.bus.message import Message
from shared.bus.protocol import Bus, BusUnavailable
from shared.database import Database, DatabaseUnavailable, try_lock
from shared.ledger import history, metrics
from shared.log import logger
from shared.moments import come
from shared.tables import OutboxEntry
from shared.tables.base import now

log = logger("relay")
IN_HAND = timedelta(seconds=10)
BATCH = 500
MEASURED_EVERY = 10.0
KEPT = timedelta(days=14)
FORGET_EVERY = 600.0


class Relay:
    """Moves rows of the outbox to the bus, at once when woken, otherwise every `poll` seconds.

    What was published is `kept` for so long, in case the broker loses it.
    """

    def __init__(self, database: Database, bus: Bus, poll: float = 1.0, kept: timedelta = KEPT) -> None:
        self._database = database
        self._bus = bus
        self._poll = poll
        self._kept = kept
        self._forget_at = 0.0
        self._news = asyncio.Event()
        self._measure_at = 0.0

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause = self._poll
        while True:
            self._news.clear()
            try:
                moved = await self.move()
                await self._measure()
                await self._forget()
                pause = self._poll
            except Exception as error:
                moved = 0
                pause = min(pause * 2, 15.0)
                if isinstance(error, DatabaseUnavailable | BusUnavailable):
                    log.warning("outbox waits", error=type(error).__name__)
                else:
                    log.exception("outbox waits")
                await asyncio.sleep(pause)
            if moved == 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._poll)

    async def _measure(self) -> None:
        """Say now and then how much waits, and for how long."""
        if (moment := asyncio.get_running_loop().time()) < self._measure_at:
            return
        self._measure_at = moment + MEASURED_EVERY
        async with self._database.reading() as session:
            waiting, oldest = (
                await session.execute(select(func.count(), func.min(OutboxEntry.created_at)).select_from(OutboxEntry))
            ).one()
        metrics.WAITING.set(waiting)
        metrics.OLDEST.set(max(0.0, (now() - oldest).total_seconds()) if oldest is not None else 0)

    async def move(self) -> int:
        """Publish one batch; how many messages that were."""
        free = or_(OutboxEntry.claimed_until.is_(None), come(OutboxEntry.claimed_until, 3 * IN_HAND))
        waiting = select(OutboxEntry.sequence).where(free).order_by(OutboxEntry.sequence).limit(BATCH)
        async with self._database.reading() as session:
            if (await session.execute(waiting.limit(1))).first() is None:
                return 0
        async with self._database.session() as session:
            taken = await session.execute(
                update(OutboxEntry)
                .where(OutboxEntry.sequence.in_(waiting.with_for_update(skip_locked=True).scalar_subquery()))
                .values(claimed_until=now() + IN_HAND)
                .returning(OutboxEntry.sequence, OutboxEntry.content)
            )
            rows = sorted((row[0], row[1]) for row in taken)
        messages = [Message.from_bytes(content) for _, content in rows]
        try:
            await self._bus.publish(messages)
        except BusUnavailable:
            await self._give_back([sequence for sequence, _ in rows])
            raise
        async with self._database.session() as session:
            await history.keep(session, messages)
            await session.execute(delete(OutboxEntry).where(OutboxEntry.sequence.in_([s for s, _ in rows])))
        return len(rows)

    async def _forget(self) -> None:
        """Now and then let go of what was published long ago; one relay of many does it."""
        clock = asyncio.get_running_loop().time()
        if clock < self._forget_at:
            return
        self._forget_at = clock + FORGET_EVERY
        async with self._database.session() as session:
            if await try_lock(session, "ledger", "forget"):
                await history.forget(session, now() - self._kept)

    async def _give_back(self, sequences: list[int]) -> None:
        with suppress(DatabaseUnavailable):
            async with self._database.session() as session:
                await session.execute(
                    update(OutboxEntry).where(OutboxEntry.sequence.in_(sequences)).values(claimed_until=None)
                )
