"""One reader of changes per process, shared by all who watch: it looks once a second while anybody does.

Changes are numbered as they are noted and seen as they are committed, so a lower number may turn up after a higher one:
the last ten seconds are looked at again each time. Whoever resumes may hear of a thing twice, and never not at all.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import func, or_, select

from services.api.actor import Actor
from services.api.problems import Problem
from services.api.settings import ApiSettings
from services.api.stream.news import News, as_they_stand
from services.api.stream.watcher import Watcher
from shared.database import Database, DatabaseUnavailable, try_lock
from shared.ledger.changes import forget
from shared.log import logger
from shared.tables import Change
from shared.tables.base import now

log = logger("api")
AGAIN: Final = timedelta(seconds=10)
KEPT_FOR: Final = timedelta(hours=24)
FORGET_EVERY: Final = 600
RESUMED: Final = 5000
"""As many changes are told to whoever resumes; after more, everything is to be looked at anew."""


class Feed:
    """What has changed, for all who watch in this process."""

    def __init__(self, database: Database, settings: ApiSettings, every: float = 1.0) -> None:
        self._database = database
        self._settings = settings
        self._every = every
        self._watchers: set[Watcher] = set()
        self._reading: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()
        self._begun = False
        self._floor = 0
        self._seen: set[int] = set()

    def enter(self, actor: Actor) -> Watcher:
        """Begin to watch; a problem when somebody watches too often, or too many do."""
        if len(self._watchers) >= self._settings.streams:
            raise Problem("busy", "too many streams are open")
        if Counter(each.actor.name for each in self._watchers)[actor.name] >= self._settings.streams_per_person:
            raise Problem("too-many-streams", headers={"Retry-After": "30"})
        watcher = Watcher(actor)
        self._watchers.add(watcher)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="stream")
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no more."""
        self._watchers.discard(watcher)
        if not self._watchers and self._reading is not None:
            self._reading.cancel()
            self._reading = None
            self._begun = False

    def end(self, reason: str, name: str | None = None) -> None:
        """Send everybody away, or all of one person's streams; they may resume, if they may still ask."""
        for watcher in self._watchers:
            if name is None or watcher.actor.name == name:
                watcher.end(reason)

    async def since(self, last: int | None) -> tuple[int, list[News] | None]:
        """The number of the latest change, and what was missed since one; None: too much, or too long ago, to tell.

        What is committed after it was looked for is told to all who have entered.
        """
        await self._begin()
        async with self._database.reading() as session:
            latest = await session.scalar(select(func.max(Change.sequence))) or 0
            if last is None:
                return latest, []
            if last == latest:
                return latest, []
            # Whoever began before the first change resumes from it, as long as it is kept.
            at = await session.scalar(select(Change.at).where(Change.sequence == max(last, 1)))
            if at is None:
                return latest, None
            missed = select(Change).where(or_(Change.sequence > last, Change.at > at - AGAIN), Change.sequence != last)
            changes = (await session.scalars(missed.order_by(Change.sequence).limit(RESUMED + 1))).all()
            return latest, await as_they_stand(session, changes) if len(changes) <= RESUMED else None

    async def _read(self) -> None:
        """Until nobody watches."""
        loop, forgot = asyncio.get_running_loop(), 0.0
        while True:
            try:
                await self._begin()
                self._tell(await self._fresh())
                if loop.time() - forgot > FORGET_EVERY:
                    await self._forget()
                    forgot = loop.time()
            except DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
            except Exception:
                log.exception("stream waits")
            await asyncio.sleep(self._every)

    def _tell(self, fresh: Sequence[News]) -> None:
        for watcher in self._watchers:
            for news in fresh:
                watcher.offer(news)

    async def _begin(self) -> None:
        """Once, for the first who watches: what is there already is not news."""
        async with self._beginning:
            if self._begun:
                return
            async with self._database.reading() as session:
                before = Change.at < now() - AGAIN
                self._floor = await session.scalar(select(func.max(Change.sequence)).where(before)) or 0
                self._seen = set(await session.scalars(select(Change.sequence).where(Change.sequence > self._floor)))
            self._begun = True

    async def _fresh(self) -> list[News]:
        async with self._database.reading() as session:
            newer = select(Change).where(Change.sequence > self._floor).order_by(Change.sequence)
            rows = (await session.scalars(newer)).all()
            fresh = [row for row in rows if row.sequence not in self._seen]
            news = await as_they_stand(session, fresh)
        settled = [row.sequence for row in rows if row.at < now() - AGAIN]
        self._floor = max(settled, default=self._floor)
        self._seen = {row.sequence for row in rows if row.sequence > self._floor}
        return news

    async def _forget(self) -> None:
        async with self._database.session() as session:
            if await try_lock(session, "changes", "forget"):
                await forget(session, now() - KEPT_FOR)
