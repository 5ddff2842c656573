"""The embedded bus: every queue is rows of one table, so that retries and the dead survive a restart."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import Delete, Select, Update, and_, delete, func, or_, select, update

from shared import topology
from shared.bus import metrics
from shared.bus.message import Message
from shared.bus.protocol import (
    Again,
    Bury,
    BusUnavailable,
    DeadLetter,
    Deliver,
    Delivery,
    Done,
    Fate,
    RetryTiers,
)
from shared.database import Database, DatabaseUnavailable
from shared.log import logger
from shared.moments import come
from shared.tables import BusMessage
from shared.tables.base import now

log = logger("bus")
ROUND_TRIP = "(round trip)"
"""No service listens there."""
LEASE = timedelta(seconds=15)
"""How long a message is in somebody's hands before others may take it; renewed while it is being handled."""


class EmbeddedBus:
    """Messages as rows: ready when `due_at` has passed, leased by moving it forward, deleted when done."""

    def __init__(self, database: Database, tiers: RetryTiers | None = None, poll: float = 0.5) -> None:
        self._database = database
        self._tiers = tiers or RetryTiers()
        self._poll = poll
        self._news: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def publish(self, messages: Sequence[Message]) -> None:
        rows = [
            BusMessage(queue=queue, message=message.id, content=message.to_bytes())
            for message in messages
            for queue in topology.queues(message.name)
        ]
        try:
            with metrics.PUBLISHING.time():
                async with self._database.session() as session:
                    session.add_all(rows)
        except DatabaseUnavailable as error:
            metrics.UNAVAILABLE.inc()
            raise BusUnavailable(str(error)) from error
        metrics.PUBLISHED.inc(len(messages))
        for row in rows:
            self._news[row.queue].set()

    @asynccontextmanager
    async def consume(self, queue: str, deliver: Deliver, prefetch: int) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        work = asyncio.create_task(self._work(queue, deliver, prefetch, stopping), name=f"bus {queue}")
        try:
            yield
        finally:
            stopping.set()
            self._news[queue].set()
            await work

    async def _work(self, queue: str, deliver: Deliver, prefetch: int, stopping: asyncio.Event) -> None:
        """Keep at most `prefetch` deliveries going; sleep until there is news or the poll interval ends."""
        going: set[asyncio.Task[None]] = set()
        done: list[int] = []
        while going or done or not stopping.is_set():
            self._news[queue].clear()
            taken: list[BusMessage] = []
            try:
                taken = await self._turn(queue, going, done, 0 if stopping.is_set() else prefetch)
            except DatabaseUnavailable:
                log.warning("database unavailable", queue=queue)
                await asyncio.sleep(self._poll)
            except Exception:
                log.exception("consumer failed and goes on", queue=queue)
                await asyncio.sleep(self._poll)
            going |= {asyncio.create_task(self._handle(row, deliver, done)) for row in taken}
            if not taken and not done and (going or not stopping.is_set()):
                news = asyncio.create_task(self._news[queue].wait())
                await asyncio.wait([news, *going], timeout=self._poll, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()

    async def _turn(
        self, queue: str, going: set[asyncio.Task[None]], done: list[int], prefetch: int
    ) -> list[BusMessage]:
        """In one transaction: forget what is done, take what is next. Both lists are looked at once the
        transaction is open, so that what ends while it waits for its turn to write is in it."""
        if not done and not (prefetch > len(going) and await self._any_ready(queue)):
            going -= {task for task in going if task.done()}
            return []
        taken: list[BusMessage] = []
        async with self._database.session() as session:
            settled = list(done)
            going -= {task for task in going if task.done()}
            if settled:
                await session.execute(delete(BusMessage).where(BusMessage.sequence.in_(settled)))
            if prefetch > len(going):
                claim = (
                    update(BusMessage)
                    .where(
                        BusMessage.sequence.in_(
                            self._ready(queue).limit(prefetch - len(going)).with_for_update(skip_locked=True)
                        )
                    )
                    .values(due_at=now() + LEASE)
                    .returning(BusMessage)
                )
                taken = sorted((await session.scalars(claim)).all(), key=lambda row: row.sequence)
        done[:] = done[len(settled) :]
        return taken

    async def _any_ready(self, queue: str) -> bool:
        async with self._database.reading() as session:
            return (await session.execute(self._ready(queue).limit(1))).first() is not None

    async def _handle(self, row: BusMessage, deliver: Deliver, done: list[int]) -> None:
        """Deliver one message; what was handled is left in `done`, anything else is settled here."""
        renewal = asyncio.create_task(self._renew(row.sequence))
        try:
            message = Message.from_bytes(row.content)
            fate: Fate = await deliver(Delivery(row.queue, message, row.tries))
        except Exception:
            log.exception("delivery failed", queue=row.queue, message=row.message)
            fate = Again("the delivery itself failed")
        finally:
            renewal.cancel()
        if isinstance(fate, Done):
            done.append(row.sequence)
        else:
            await self._settle_when_possible(row, fate)

    async def _settle_when_possible(self, row: BusMessage, fate: Again | Bury) -> None:
        while True:
            try:
                return await self._settle(row, fate)
            except DatabaseUnavailable:
                await asyncio.sleep(self._poll)

    async def _renew(self, sequence: int) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                async with self._database.session() as session:
                    await session.execute(
                        update(BusMessage).where(BusMessage.sequence == sequence).values(due_at=now() + LEASE)
                    )
            except DatabaseUnavailable:
                continue

    async def _settle(self, row: BusMessage, fate: Again | Bury) -> None:
        this = BusMessage.sequence == row.sequence
        async with self._database.session() as session:
            match fate:
                case Bury(why):
                    await session.execute(update(BusMessage).where(this).values(dead=True, reason=why[:500]))
                case Again(why, delay):
                    counted = 0 if delay is not None else 1
                    rest = self._tiers.rest(fate, row.tries)
                    values = (
                        {"dead": True}
                        if rest is None
                        else {"due_at": now() + timedelta(seconds=rest if delay is None else min(delay, rest))}
                    )
                    await session.execute(
                        update(BusMessage).where(this).values(tries=row.tries + counted, reason=why[:500], **values)
                    )
        metrics.settled(row.queue, fate, self._tiers.rest(fate, row.tries) if isinstance(fate, Again) else None)

    async def dead(self) -> list[DeadLetter]:
        query = select(BusMessage).where(BusMessage.dead.is_(True)).order_by(BusMessage.sequence)
        async with self._database.reading() as session:
            return [
                DeadLetter(row.queue, Message.from_bytes(row.content), row.tries, row.reason or "")
                for row in await session.scalars(query)
            ]

    async def replay(self, identity: str) -> bool:
        queue, _, message = identity.rpartition(":")
        values = {"dead": False, "tries": 0, "reason": None, "due_at": now()}
        found = await self._change_dead(update(BusMessage).values(**values), queue, message)
        self._news[queue].set()
        return found

    async def drop(self, identity: str) -> bool:
        queue, _, message = identity.rpartition(":")
        return await self._change_dead(delete(BusMessage), queue, message)

    async def _change_dead(self, change: Update | Delete, queue: str, message: str) -> bool:
        this = (BusMessage.queue == queue, BusMessage.message == message, BusMessage.dead.is_(True))
        async with self._database.session() as session:
            return bool((await session.execute(change.where(*this).returning(BusMessage.sequence))).all())

    async def depths(self) -> dict[str, int]:
        query = select(BusMessage.queue, func.count()).where(BusMessage.dead.is_(False)).group_by(BusMessage.queue)
        async with self._database.reading() as session:
            counted = {row[0]: row[1] for row in await session.execute(query)}
        return {queue: counted.get(queue, 0) for queue in topology.all_queues()}

    async def dead_count(self) -> int:
        async with self._database.reading() as session:
            return await session.scalar(select(func.count()).where(BusMessage.dead.is_(True))) or 0

    async def oldest(self) -> dict[str, datetime]:
        waits = BusMessage.dead.is_(False), BusMessage.queue != ROUND_TRIP
        firsts = select(func.min(BusMessage.sequence)).where(*waits).group_by(BusMessage.queue)
        query = select(BusMessage.queue, BusMessage.content).where(BusMessage.sequence.in_(firsts))
        async with self._database.reading() as session:
            found = {row[0]: Message.from_bytes(row[1]).occurred_at for row in await session.execute(query)}
        return {queue: datetime.fromisoformat(at) for queue, at in found.items() if at}

    async def round_trip(self) -> None:
        row = BusMessage(queue=ROUND_TRIP, message=str(uuid.uuid4()), content=b"")
        try:
            async with self._database.session() as session:
                session.add(row)
            async with self._database.session() as session:
                await session.execute(delete(BusMessage).where(BusMessage.queue == ROUND_TRIP))
        except DatabaseUnavailable as error:
            raise BusUnavailable(str(error)) from error

    async def ping(self) -> None:
        try:
            await self._database.ping()
        except DatabaseUnavailable as error:
            raise BusUnavailable(str(error)) from error

    async def close(self) -> None:
        """Nothing of its own to close: the database is its owner's."""

    def _ready(self, queue: str) -> Select[int]:
        """What may be taken, oldest first; what has never failed can only be in somebody's hands."""
        rest = timedelta(seconds=max(self._tiers.seconds))
        due = or_(come(BusMessage.due_at, rest), and_(BusMessage.reason.is_(None), come(BusMessage.due_at, LEASE)))
        free = BusMessage.queue == queue, BusMessage.dead.is_(False), due
        return select(BusMessage.sequence).where(*free).order_by(BusMessage.sequence)
