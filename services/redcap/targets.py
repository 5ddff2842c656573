"""The REDCap projects that are written to, one at a time in one process's hands, left alone while they are away."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select, update

from shared import lease
from shared.database import Database, insert_new
from shared.moments import come_after_tries
from shared.tables import Project, RedcapTarget
from shared.tables.base import new_id, now

DELAYS = (10.0, 60.0, 600.0, 3600.0)
"""Seconds after the n-th failure in a row; the last holds for all that follow."""


def delay(failures: int) -> float:
    """How long to leave a REDCap alone that has failed so often in a row."""
    return DELAYS[min(max(failures, 1), len(DELAYS)) - 1]


class Targets:
    """The rows of `redcap_targets`."""

    def __init__(self, database: Database, lease_seconds: float, read_seconds: float = 0) -> None:
        self._database = database
        self._rests = [timedelta(seconds=each) for each in (read_seconds, *DELAYS)]
        self._held = timedelta(seconds=lease_seconds)
        self._holder = new_id()

    async def settle(self, names: Collection[str]) -> None:
        """Note which there are; the token of a project that is deleted here is of no use any more."""
        async with self._database.reading() as session:
            deleted = await session.scalars(select(Project.name).where(Project.state == "deleted"))
            names = set(names) - set(deleted)
            configured = await session.scalars(select(RedcapTarget.project).where(RedcapTarget.configured.is_(True)))
            if set(configured) == names:
                return
        async with self._database.session() as session:
            await insert_new(session, RedcapTarget, [{"project": name} for name in names])
            there = RedcapTarget.project.in_(names)
            await session.execute(update(RedcapTarget).where(there, ~RedcapTarget.configured).values(configured=True))
            await session.execute(update(RedcapTarget).where(~there, RedcapTarget.configured).values(configured=False))

    async def open(self) -> list[str]:
        """Those that may be asked now and are in nobody's hands."""
        free = self._may_be_asked(), lease.free(RedcapTarget, self._held)
        query = select(RedcapTarget.project).where(*free).order_by(RedcapTarget.project)
        async with self._database.reading() as session:
            return list(await session.scalars(query))

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[bool]:
        """Have it in hand, renewed all the time; False when somebody else was quicker. The dead lose it in time."""
        row = RedcapTarget.project == name
        async with self._database.session() as session:
            mine = await lease.claim(session, RedcapTarget, row & self._may_be_asked(), self._holder, self._held)
        if not mine:
            yield False
            return
        try:
            async with lease.renewed(self._database, RedcapTarget, row, self._holder, self._held):
                yield True
        finally:
            async with self._database.session() as session:
                await lease.release(session, RedcapTarget, row, self._holder)

    async def note(self, name: str, **values: object) -> None:
        """Write down how it is with it."""
        async with self._database.session() as session:
            await session.execute(update(RedcapTarget).where(RedcapTarget.project == name).values(values))

    async def well(self, name: str, *, wrote: bool = False, again: float | None = None) -> None:
        """It listens; whether it has taken something, and after how many seconds to come back at the earliest."""
        due_at = now() + timedelta(seconds=again) if again is not None else None
        written = {"written_at": now()} if wrote else {}
        await self.note(name, problem=None, failures=0, due_at=due_at, **written)

    async def ill(self, name: str, why: str) -> float:
        """It has not; after how many seconds to try again."""
        async with self._database.session() as session:
            target = await session.get_one(RedcapTarget, name)
            target.failures, target.problem = target.failures + 1, why[:500]
            seconds = delay(target.failures)
            target.due_at = now() + timedelta(seconds=seconds)
        return seconds

    def _may_be_asked(self) -> ColumnElement[bool]:
        again = come_after_tries(RedcapTarget.due_at, RedcapTarget.failures, self._rests)
        return RedcapTarget.configured.is_(True) & or_(RedcapTarget.due_at.is_(None), again)
