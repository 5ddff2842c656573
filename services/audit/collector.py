"""Tell a collector of every entry, in order, however long it is away: the chain itself is what waits.

Syslog has no acknowledgement. An entry counts as told when the collector's host has taken every byte of it and the
connection still stood a moment later; what did not get that far is told again, so that nothing is lost and the last
few may come twice, under the same number.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.audit import lease, metrics
from services.audit.dicom import Source, message, subjects
from services.audit.line import Line
from services.audit.settings import AuditSettings
from services.audit.syslog import frame
from shared.database import Database, DatabaseUnavailable
from shared.log import logger
from shared.tables import AuditEntry

log = logger("audit")
BATCH = 100
AWAY = (OSError, ssl.SSLError, TimeoutError)


class Teller:
    """One per process; of several, the one that holds the lease."""

    def __init__(
        self, database: Database, settings: AuditSettings, poll: float = 1.0, settle: float = 1.0, rest: float = 30.0
    ) -> None:
        self._database = database
        self._settings = settings
        self._source = Source(settings.source, settings.site)
        self._name = settings.collector or ""
        self._holder = str(uuid4())
        self._poll, self._settle, self._rest = poll, settle, rest
        self._pause = poll

    async def run(self) -> None:
        """Until cancelled; while the collector is away it is tried again, at most `rest` seconds apart."""
        try:
            while True:
                try:
                    await self._tell()
                except DatabaseUnavailable as error:
                    log.warning("database unavailable", error=str(error))
                except AWAY as error:
                    metrics.COLLECTOR_FAILURES.inc()
                    log.warning("the collector is away", error=type(error).__name__)
                    self._pause = min(self._pause * 2, self._rest)
                await asyncio.sleep(self._pause)
        finally:
            with suppress(DatabaseUnavailable):
                async with self._database.session() as session:
                    await lease.release(session, self._name, self._holder)

    async def _tell(self) -> None:
        """One connection for as long as it stands, unless somebody else has one."""
        async with self._database.session() as session:
            told = await lease.claim(session, self._name, self._holder)
            waiting = await lag(session, told or 0)
        if told is None:
            return
        metrics.COLLECTOR_WAITING.set(waiting)
        line = await Line.open(self._settings)
        log.info("telling the collector", after=told)
        self._pause = self._poll
        try:
            await self._along(line, told)
        finally:
            await line.close()

    async def _along(self, line: Line, told: int) -> None:
        """Send what there is, and note what has settled, until the lease is somebody else's."""
        sent, unsettled, renewed = told, deque[tuple[float, int]](), monotonic()
        while True:
            entries, frames = await self._next(sent)
            if frames:
                await line.send(frames)
                sent = entries[-1].sequence
                unsettled.append((monotonic(), sent))
            else:
                await asyncio.sleep(self._poll)
            line.check()
            before = told
            while unsettled and unsettled[0][0] <= monotonic() - self._settle:
                told = unsettled.popleft()[1]
            if told != before or monotonic() - renewed > lease.HELD.total_seconds() / 3:
                renewed = monotonic()
                async with self._database.session() as session:
                    if not await lease.advance(session, self._name, self._holder, told):
                        return

    async def _next(self, after: int) -> tuple[Sequence[AuditEntry], bytes]:
        query = select(AuditEntry).where(AuditEntry.sequence > after).order_by(AuditEntry.sequence).limit(BATCH)
        async with self._database.reading() as session:
            metrics.COLLECTOR_WAITING.set(await lag(session, after))
            entries = (await session.scalars(query)).all()
            whose = await subjects(session, entries)
        xml = (message(entry, whose[entry.sequence], self._source) for entry in entries)
        return entries, b"".join(frame(entry, each) for entry, each in zip(entries, xml, strict=True))


async def lag(session: AsyncSession, told: int) -> int:
    """How many entries there are after one."""
    return (await session.scalar(select(func.max(AuditEntry.sequence))) or 0) - told
