"""A list from its rows to its report: checked whole, compared, and, unless it is a rehearsal, in force or not at all.

Hashing and sealing is done in threads before the transaction, which only compares and writes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.actor import Actor
from services.api.coupling.checks import Terms, check
from services.api.coupling.rows import Flaws, Row
from services.api.coupling.sealing import Keyed, Once, keyed, once
from services.api.coupling.standing import Standing, check_consent, check_participants, compare, studies_here
from services.api.coupling.taking import take
from services.api.problems import Problem
from services.api.rows import get_row
from shared.crypto import Vault
from shared.database import lock, plan_anew
from shared.registry.coupling import portions
from shared.registry.participants import ensure_participants
from shared.registry.projects import OPEN
from shared.service import Context
from shared.tables import Project
from shared.tables.base import now

HASHED_AT_ONCE = 5000
"""Rows that a thread takes before the loop has its turn."""


@dataclass(frozen=True)
class Wish:
    """What is to become of rows."""

    project: str
    rows: Sequence[Row]
    flaws: Flaws
    """What was found wrong before."""
    days: float | None
    """None: for good."""
    who: Actor
    dry_run: bool

    @property
    def sites(self) -> frozenset[str]:
        """Those that whoever wishes it is bound to; none: to none."""
        return self.who.sites_in(self.project)


@dataclass
class Report:
    """What has become, or would become, of them."""

    flaws: Flaws
    rows: int = 0
    added: int = 0
    amended: int = 0
    prolonged: int = 0
    unchanged: int = 0
    studies: int = 0
    """That are here already and are named."""
    repeated: list[int] = field(default_factory=list)
    until: datetime | None = None
    upload: str | None = None
    keys: list[str] = field(default_factory=list)


Answer = Callable[[AsyncSession, Report], Awaitable[None]]
"""Reads, in the transaction that has taken a list, what it is answered with."""


async def upload(context: Context, wish: Wish, answer: Answer | None = None) -> Report:
    """All or nothing: with any flaw, nothing."""
    flaws = wish.flaws
    async with context.database.reading() as session:
        terms = await terms_of(session, wish.project)
    good = await asyncio.to_thread(check, wish.rows, terms, flaws)
    listed = await _hashed(good, context.vault, flaws, seal=not wish.dry_run)
    report = Report(flaws, rows=len(wish.rows), repeated=listed.repeated, keys=list(listed.by_key))
    at = now()
    report.until = until = at + timedelta(days=wish.days) if wish.days is not None else None
    async with context.database.reading() as session:
        await plan_anew(session)
        await check_participants(session, context.vault, wish.project, listed.by_key, flaws, wish.sites)
        report.studies = await studies_here(session, report.keys)
        if wish.dry_run or flaws:
            return _counted(
                report, await compare(session, context.vault, wish.project, listed.by_key, at, until, flaws)
            )
    async with context.database.session() as session:
        await plan_anew(session)
        await lock(session, "coupling", wish.project)
        await check_consent(session, wish.project, listed.by_key, flaws)
        standing = await compare(session, context.vault, wish.project, listed.by_key, at, until, flaws)
        if not flaws:
            made = await take(session, wish.project, standing, at, until, wish.who.name)
            await _enrol(session, wish, standing.added)
            report.upload = made.id
            if answer is not None:
                await answer(session, report)
    context.relay.wake()
    return _counted(report, standing)


async def _enrol(session: AsyncSession, wish: Wish, added: Sequence[Keyed]) -> None:
    """Whoever is bound to a site adds to it: who is new in the list is of the site before there is a study."""
    if wish.sites:
        site, names = min(wish.sites), sorted({each.row.participant for each in added})
        for some in portions(names):
            await ensure_participants(session, wish.project, some, origin="coupling", site=site, by=wish.who.name)


async def terms_of(session: AsyncSession, name: str) -> Terms:
    """What the project asks of rows; a problem when it is not there, or not open."""
    project = await get_row(session, Project, name)
    if project.state not in OPEN:
        raise Problem("project-inactive", f"the project is {project.state}")
    every = frozenset(await session.scalars(select(Project.name)))
    return Terms(project, every)


async def _hashed(rows: Sequence[Row], vault: Vault, flaws: Flaws, seal: bool) -> Once:
    def some(part: Sequence[Row]) -> list[Keyed]:
        return [keyed(row, vault, seal) for row in part]

    made: list[Keyed] = []
    for part in portions(rows, HASHED_AT_ONCE):
        made += await asyncio.to_thread(some, part)
    return once(made, flaws)


def _counted(report: Report, standing: Standing) -> Report:
    report.added, report.amended = len(standing.added), len(standing.amended)
    report.prolonged, report.unchanged = len(standing.prolonged), len(standing.unchanged)
    return report
