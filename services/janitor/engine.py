"""Runs, in steps: each looks at a little, and writes down in one transaction what it has found, what it asks for and
how far it is. Whoever is the janitor next, after a kill or on another machine, goes on there.

Nothing is removed here: whose it is is asked to, is asked for little at a time, and answers.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from services.janitor import lease, metrics, reserve
from services.janitor.doctor import EXAMINATION
from services.janitor.plan import Page, Plan, Tools, Want
from services.janitor.retention.phases import RETENTION, SELDOM
from shared.bus import Message
from shared.database import DatabaseUnavailable, insert_new
from shared.events import Event, RetentionEnded
from shared.ledger import Relay, add
from shared.log import logger
from shared.moments import AHEAD
from shared.retention.orders import WORDS, going, last_word
from shared.tables import JanitorFinding, JanitorLine, JanitorOrder, JanitorRun, JanitorState
from shared.tables.base import new_id, now

log = logger("janitor")
PHASES: Final[Mapping[str, Mapping[str, Plan]]] = {
    "report": RETENTION,
    "sweep": RETENTION,
    "examine": EXAMINATION,
    "heal": EXAMINATION,
}
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Standing:
    """How things are before a step."""

    run: JanitorRun | None
    going: bool
    open: int


class Engine:
    """One per process; of several, the one that holds the lease works."""

    def __init__(self, tools: Tools, relay: Relay) -> None:
        self._tools = tools
        self._relay = relay
        self.holder = str(uuid4())
        self._policies: dict[str, Any] = tools.policies.model_dump(mode="json")

    async def run(self) -> None:
        """Until cancelled; then another may be the janitor at once."""
        try:
            while True:
                worked = False
                with suppress(OSError):
                    await asyncio.to_thread(reserve.tend, self._tools.store)
                try:
                    worked = await self.step()
                except DatabaseUnavailable as error:
                    log.warning("database unavailable", error=str(error))
                except lease.LeaseLost:
                    log.info("somebody else is the janitor now")
                except OSError as error:
                    log.warning("the store cannot be looked at", error=type(error).__name__)
                except Exception:
                    log.exception("a step failed")
                await asyncio.sleep(0 if worked else self._tools.settings.poll_seconds)
        finally:
            with suppress(DatabaseUnavailable):
                async with self._tools.database.session() as session:
                    await lease.release(session, self.holder)

    async def step(self) -> bool:
        """One step of the run that is under way, or the beginning of one that is due; False: nothing to do now."""
        async with self._tools.database.session() as session:
            if not await lease.claim(session, self.holder, self._policies):
                metrics.forget()
                return False
            standing = await self._standing(session)
        metrics.GOING.set(standing.going)
        run = standing.run
        if run is None:
            return False
        phases = PHASES[run.kind]
        if run.kind == "sweep" and not standing.going:
            await self._end(run, "stopped")
            return True
        if standing.open >= (self._tools.settings.in_hand if run.phase < len(phases) else 1):
            return False
        if run.phase >= len(phases):
            await self._end(run, "done")
            return True
        name, plan = list(phases.items())[run.phase]
        if await self._passed_over(run, name):
            await self._commit(run, name, Page(counts={"passed_over": 1}))
            return True
        async with lease.renewed(self._tools.database, self.holder):
            page = await plan(self._tools, run.cursor, run.kind in ("report", "examine"))
        await self._commit(run, name, page)
        return True

    async def _standing(self, session: AsyncSession) -> Standing:
        allowed = await going(session)
        run = await session.scalar(select(JanitorRun).where(JanitorRun.state == "running").limit(1))
        if run is None:
            run = await self._begun(session, allowed)
        late = now() - timedelta(seconds=self._tools.settings.patience_seconds)
        asked = JanitorLine.state == "asked", JanitorLine.at > late, JanitorLine.at <= now() + AHEAD
        mine = select(func.count()).select_from(JanitorLine).where(*asked)
        number = 0 if run is None else await session.scalar(mine.where(JanitorLine.run == run.id))
        return Standing(run, allowed, number or 0)

    async def _begun(self, session: AsyncSession, allowed: bool) -> JanitorRun | None:
        """A new run, if a person has asked for one or its time has come."""
        done = select(JanitorRun.order).where(JanitorRun.order.is_not(None))
        orders = select(JanitorOrder).where(JanitorOrder.kind.not_in(WORDS), JanitorOrder.id.not_in(done))
        order = await session.scalar(orders.order_by(JanitorOrder.created_at, JanitorOrder.id).limit(1))
        if order is not None:
            kind = "report" if order.kind == "sweep" and not allowed else order.kind
        else:
            kind = "sweep" if allowed else "report"
            if not await self._is_due(session, kind):
                return None
        run = JanitorRun(id=new_id(), kind=kind, order=order.id if order else None, cursor={}, counts={}, phase=0)
        session.add(run)
        await session.flush()
        log.info("a run begins", run=run.id, kind=kind, asked_for=order is not None)
        return run

    async def _is_due(self, session: AsyncSession, kind: str) -> bool:
        last = await session.scalar(
            select(func.max(JanitorRun.started_at)).where(
                JanitorRun.kind.in_(("report", "sweep")), JanitorRun.started_at <= now() + AHEAD
            )
        )
        if last is None or last <= now() - timedelta(seconds=self._tools.settings.every_seconds):
            return True
        word = await last_word(session)
        return kind == "sweep" and word is not None and word.created_at > last

    async def _passed_over(self, run: JanitorRun, name: str) -> bool:
        """What walks over whole trees is not done every hour, unless a person has asked for the run."""
        if name not in SELDOM or run.kind != "sweep" or run.order is not None or run.cursor:
            return False
        recent = select(JanitorRun.counts).where(
            JanitorRun.kind == "sweep",
            JanitorRun.started_at.between(now() - DAY, now() + AHEAD),
            JanitorRun.id != run.id,
        )
        async with self._tools.database.reading() as session:
            counts = await session.scalars(recent)
            return any(name in each and "passed_over" not in each[name] for each in counts)

    async def _commit(self, run: JanitorRun, name: str, page: Page) -> None:
        """Write down what a step has found."""
        ask = run.kind == "sweep"
        events: list[Event] = [_asked(run, want) for want in page.wants] if ask else []
        events += [event for finding in page.findings for event in finding.events]
        async with self._tools.database.session() as session:
            disk = {} if page.disk is None else await self._disks(session, page)
            await lease.hold(session, self.holder, **disk)
            row = await session.get_one(JanitorRun, run.id, with_for_update=True)
            if (row.phase, row.cursor) != (run.phase, run.cursor):
                raise lease.LeaseLost
            if ask and not await going(session):
                row.state, row.finished_at = "stopped", now()
                return
            await insert_new(session, JanitorLine, [_line(run, want, ask) for want in page.wants])
            await insert_new(session, JanitorFinding, [_found(run, each) for each in page.findings])
            await add(session, [Message.of(event) for event in events])
            row.counts = _counted(row.counts, name, page)
            if page.cursor is None:
                row.phase, row.cursor = run.phase + 1, {}
            else:
                row.cursor = dict(page.cursor)
        for want in page.wants:
            log.info("may go", run=run.id, policy=want.kind, subject=want.subject, bytes=want.size, asked=ask)
        for each in page.findings:
            log.warning("does not fit", run=run.id, sort=each.sort, study_instance_uid=each.study, number=each.number)
        if events:
            self._relay.wake()

    async def _disks(self, session: AsyncSession, page: Page) -> dict[str, Any]:
        if page.disk is None:
            return {}
        name, disk = page.disk
        metrics.DISK.labels(name).set(disk.percent / 100)
        known = await session.get_one(JanitorState, lease.ONLY)
        return {"disks": known.disks | {name: disk.shown()}}

    async def _end(self, run: JanitorRun, state: str) -> None:
        async with self._tools.database.session() as session:
            await lease.hold(session, self.holder)
            mine = JanitorRun.id == run.id, JanitorRun.state == "running"
            await session.execute(update(JanitorRun).where(*mine).values(state=state, finished_at=now()))
            sorts = await session.execute(
                select(JanitorFinding.sort, func.sum(JanitorFinding.number))
                .where(JanitorFinding.run == run.id)
                .group_by(JanitorFinding.sort)
            )
            found = {sort: int(number) for sort, number in sorts}
        metrics.LAST_RUN.labels(run.kind).set_to_current_time()
        if run.kind in ("examine", "heal"):
            metrics.FINDINGS.clear()
            for sort, number in found.items():
                metrics.FINDINGS.labels(sort).set(number)
        log.info("a run has ended", run=run.id, kind=run.kind, state=state, **found)


def _asked(run: JanitorRun, want: Want) -> RetentionEnded:
    return RetentionEnded(run=run.id, kind=want.kind, subject=want.subject, before=want.before, limits=want.limits)


def _line(run: JanitorRun, want: Want, ask: bool) -> dict[str, Any]:
    return {
        "run": run.id,
        "kind": want.kind,
        "subject": want.subject,
        "state": "asked" if ask else "planned",
        "size": want.size,
        "removed": {},
        "why": want.why[:200],
        "at": now(),
    }


def _found(run: JanitorRun, each: Any) -> dict[str, Any]:
    return {
        "run": run.id,
        "sort": each.sort,
        "subject": each.subject[:250],
        "study_instance_uid": each.study,
        "number": each.number,
        "meaning": each.meaning[:300],
        "healing": each.healing[:100],
    }


def _counted(before: Mapping[str, Any], name: str, page: Page) -> dict[str, Any]:
    """The counts of a run with those of one more page."""
    mine = dict(before.get(name, {}))
    kept = Counter[str](mine.pop("kept", {}))
    kept.update(page.kept)
    for what, number in (
        *page.counts.items(),
        ("may_go", len(page.wants)),
        ("bytes", sum(want.size for want in page.wants)),
        ("findings", sum(each.number for each in page.findings)),
    ):
        if number or what in page.counts:
            mine[what] = mine.get(what, 0) + number
    return {**before, name: mine | ({"kept": dict(kept)} if kept else {})}
