"""Work on whole projects, one at a time: taken in hand, done outside of transactions, tried again until it is done."""

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from sqlalchemy import select, update

from services.registry.anonymise import anonymise
from services.registry.delete import delete
from services.registry.export import export
from services.registry.tools import Tools
from shared.database import DatabaseUnavailable
from shared.log import logger
from shared.moments import come_after_tries, rests
from shared.registry.life import NotNow
from shared.tables import ProjectWork
from shared.volume import FULL

log = logger("registry")
Doing = Callable[[ProjectWork, Tools], Awaitable[None]]
KINDS: Final[Mapping[str, Doing]] = {"export": export, "anonymise": anonymise, "delete": delete}
IN_HAND: Final = timedelta(minutes=10)
"""So long nobody else takes work up after its last sign of life."""
SIGN_SECONDS: Final = 60.0
REST: Final = (60, 600, 3600)
"""Seconds after the n-th try in vain; the last holds for all that follow."""
LONGEST: Final = rests(IN_HAND, REST)


class Worker:
    """Does what is asked of whole projects."""

    def __init__(self, tools: Tools, kinds: Mapping[str, Doing] = KINDS) -> None:
        self._tools = tools
        self._kinds = kinds

    async def run(self) -> None:
        """Until cancelled; what is in hand then is done again by whoever comes next."""
        while True:
            try:
                worked = await self.do_next()
            except DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
                worked = False
            if not worked:
                await asyncio.sleep(self._tools.settings.work_seconds)

    async def do_next(self) -> bool:
        """Do one piece of work whose time has come; False when there is none."""
        work = await self._taken()
        if work is None:
            return False
        try:
            async with self._alive(work):
                await self._kinds[work.kind](work, self._tools)
        except DatabaseUnavailable:
            raise
        except NotNow as why:
            log.info("work waits", project=work.project, kind=work.kind, why=str(why))
            await self._failed(work, str(why))
        except Exception as error:
            log.exception("work failed", project=work.project, kind=work.kind)
            await self._failed(work, _said(error))
        return True

    async def _taken(self) -> ProjectWork | None:
        now = self._tools.clock.now()
        time_has_come = come_after_tries(ProjectWork.next_try_at, ProjectWork.tries, LONGEST, now)
        due = select(ProjectWork).where(ProjectWork.state == "waiting", time_has_come)
        async with self._tools.database.session() as session:
            row = await session.scalar(
                due.order_by(ProjectWork.created_at, ProjectWork.id).limit(1).with_for_update(skip_locked=True)
            )
            if row is not None:
                row.tries, row.next_try_at = row.tries + 1, now + IN_HAND
        return row

    @asynccontextmanager
    async def _alive(self, work: ProjectWork) -> AsyncIterator[None]:
        """Keep it in our hand for as long as it takes."""
        signs = asyncio.create_task(self._signs(work))
        try:
            yield
        finally:
            signs.cancel()
            with suppress(asyncio.CancelledError):
                await signs

    async def _signs(self, work: ProjectWork) -> None:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            with suppress(DatabaseUnavailable):
                await self._set(work, next_try_at=self._tools.clock.now() + IN_HAND)

    async def _failed(self, work: ProjectWork, why: str) -> None:
        rest = timedelta(seconds=REST[min(work.tries, len(REST)) - 1])
        await self._set(work, error=why[:200], next_try_at=self._tools.clock.now() + rest)

    async def _set(self, work: ProjectWork, **values: object) -> None:
        mine = ProjectWork.id == work.id, ProjectWork.state == "waiting"
        async with self._tools.database.session() as session:
            await session.execute(update(ProjectWork).where(*mine).values(**values))


def _said(error: Exception) -> str:
    """What people are told: never what a library quotes."""
    match error:
        case OSError() if error.errno in FULL:
            return "the disk is full"
        case OSError():
            return f"the store cannot be read or written ({errno.errorcode.get(error.errno or 0, 'no number')})"
        case _:
            return f"unexpected {type(error).__name__}"
