"""The REDCap projects that are written to, one at a time in one process's hands, left alone while they are away."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select, update

from shared.database import Database, insert_new
from shared.tables import RedcapTarget
from shared.tables.base import now

DELAYS = (10.0, 60.0, 600.0, 3600.0)
"""Seconds after the n-th failure in a row; the last holds for all that follow."""


def delay(failures: int) -> float:
    """How long to leave a REDCap alone that has failed so often in a row."""
    return DELAYS[min(max(failures, 1), len(DELAYS)) - 1]


class Targets:
    """The rows of `redcap_targets`."""

    def __init__(self, database: Database, lease_seconds: float) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_seconds)

    async def settle(self, names: Collection[str]) -> None:
        """Note which there are."""
        async with self._database.reading() as session:
            configured = await session.scalars(select(RedcapTarget.project).where(RedcapTarget.configured.is_(True)))
            if set(configured) == set(names):
                return
        async with self._database.session() as session:
            await insert_new(session, RedcapTarget, [{"project": name} for name in names])
            there = RedcapTarget.project.in_(names)
            await session.execute(update(RedcapTarget).where(there, ~RedcapTarget.configured).values(configured=True))
            await session.execute(update(RedcapTarget).where(~there, RedcapTarget.configured).values(configured=False))

    async def open(self) -> list[str]:
        """Those that may be asked now and are in nobody's hands."""
        async with self._database.reading() as session:
            return list(
                await session.scalars(select(RedcapTarget.project).where(*self._free()).order_by(RedcapTarget.project))
            )

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[bool]:
        """Have it in hand, renewed all the time; False when somebody else was quicker. The dead lose it in time."""
        async with self._database.session() as session:
            until = now() + self._lease
            free = RedcapTarget.project == name, *self._free()
            taken = await session.execute(
                update(RedcapTarget).where(*free).values(leased_until=until).returning(RedcapTarget.project)
            )
            mine = taken.first() is not None
        if not mine:
            yield False
            return
        renewing = asyncio.create_task(self._renew(name))
        try:
            yield True
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self.note(name, leased_until=None)

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

    async def _renew(self, name: str) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await self.note(name, leased_until=now() + self._lease)

    @staticmethod
    def _free() -> tuple[ColumnElement[bool], ...]:
        moment = now()
        return (
            RedcapTarget.configured.is_(True),
            or_(RedcapTarget.leased_until.is_(None), RedcapTarget.leased_until < moment),
            or_(RedcapTarget.due_at.is_(None), RedcapTarget.due_at <= moment),
        )
