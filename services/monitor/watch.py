"""Round after round: look, settle, keep, tell. What the database does not take now is kept in memory until it does."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.monitor import beating, lease, metrics, telling, webhook
from services.monitor.probes import Ground, Probe, certificates, clocks, disks, queues, reach, stuck, switched
from services.monitor.probes.journal import Journal
from services.monitor.readings import ORDER, Reading, State
from services.monitor.settings import MonitorSettings
from services.monitor.settling import Key, Known, Rules, gone, settle
from shared.bus import BusUnavailable, Message
from shared.database import DatabaseUnavailable
from shared.events import MonitorStateChanged
from shared.ledger import add
from shared.log import logger
from shared.mail import post
from shared.service import Context
from shared.switches import Switches
from shared.tables import MonitorCheck
from shared.tables.base import new_id, now

log = logger("monitor")
LATE: Final = 30.0
"""Seconds after which a look is given up that does not end by itself."""


START: Final = 10.0
"""Seconds before the first look."""


class Watch:
    """The monitor of one process; of several, the one that has the lease looks."""

    def __init__(self, context: Context, settings: MonitorSettings, clock: Callable[[], datetime] = now) -> None:
        self._context = context
        self._settings = settings
        self._clock = clock
        self._zone = ZoneInfo(context.settings.timezone)
        self._holder = new_id()
        self._ours: bool | None = None
        self._known: dict[Key, Known] = {}
        self._left: set[Key] = set()
        self._changes: list[MonitorStateChanged] = []
        self._rules = Rules(settings.looks, settings.flapping_changes, timedelta(seconds=settings.calm_seconds))
        journal = Journal(context.store.root / "journal")
        ground = Ground(context, settings, Switches(context.store, fresh=0))
        self._probes = (
            Probe(reach.COVERS, lambda: reach.look(ground), needs_database=False),
            Probe(reach.DESTINATIONS, lambda: reach.look_at_destinations(ground)),
            Probe(queues.COVERS, queues.Queues(ground).look),
            Probe(stuck.COVERS, lambda: stuck.look(ground, journal)),
            Probe(disks.COVERS, lambda: disks.look(ground), needs_database=False),
            Probe(switched.COVERS, lambda: switched.look(ground)),
            Probe(clocks.COVERS, lambda: clocks.look(ground)),
            Probe(certificates.COVERS, lambda: certificates.look(ground)),
            Probe(beating.COVERS, lambda: beating.look(ground)),
        )

    async def run(self) -> None:
        """Until cancelled; others that start with it have a moment before they are looked at."""
        try:
            await asyncio.sleep(min(self._settings.every_seconds, START))
            while True:
                try:
                    await self.round()
                except Exception:
                    log.exception("a round has failed")
                await asyncio.sleep(self._settings.every_seconds)
        finally:
            if self._ours:
                with suppress(DatabaseUnavailable):
                    async with self._context.database.session() as session:
                        await lease.release(session, self._holder)

    async def round(self) -> None:
        """Look at everything once, if it is for us to do; while nobody can tell, at what needs no database."""
        ours = await self._is_ours()
        if ours is False:
            return
        probes = [probe for probe in self._probes if ours or not probe.needs_database]
        found = await asyncio.gather(*(self._look(probe) for probe in probes))
        moment = self._clock()
        for probe, readings in zip(probes, found, strict=True):
            if readings is not None:
                self._take(probe, readings, moment)
        self._show()
        await self._tell_webhook(moment)
        if ours:
            try:
                async with asyncio.timeout(LATE):
                    await self._keep(moment)
            except (DatabaseUnavailable, TimeoutError) as error:
                log.warning("database unavailable", error=str(error) or type(error).__name__)
        metrics.ROUND.set(moment.timestamp())

    async def _is_ours(self) -> bool | None:
        """While nobody can be asked it stays as it was: None, since the start. With the lease comes what was known."""
        database, seconds = self._context.database, 3 * self._settings.every_seconds + LATE
        try:
            async with asyncio.timeout(LATE):
                if not database.migrated:
                    await database.ping()
                    return False  # It is there, and of another version: that version's monitor looks.
                async with database.session() as session:
                    ours = await lease.claim(session, self._holder, seconds)
                if ours and not self._ours:
                    self._known = await self._remembered()
        except (DatabaseUnavailable, TimeoutError):
            return self._ours
        if not ours and self._ours is not False:
            metrics.forget_all()
            self._known.clear()
            self._left.clear()
            self._changes.clear()
        self._ours = ours
        return ours

    async def _remembered(self) -> dict[Key, Known]:
        """What the last one knew; what was seen since the start, while nobody could be asked, is newer."""
        async with self._context.database.reading() as session:
            before = {known.key: known for known in map(_known, await session.scalars(select(MonitorCheck)))}
        alone = self._known if self._ours is None else {}
        return before | {key: _told_before(seen, before.get(key)) for key, seen in alone.items()}

    async def _look(self, probe: Probe) -> Sequence[Reading] | None:
        """What it says; None when it could not say anything."""
        try:
            async with asyncio.timeout(LATE + self._settings.echo_seconds):
                return await probe.look()
        except (DatabaseUnavailable, BusUnavailable, TimeoutError) as error:
            log.warning("cannot look", checks=sorted(probe.covers), error=type(error).__name__)
        except Exception:
            log.exception("cannot look", checks=sorted(probe.covers))
        return None

    def _take(self, probe: Probe, readings: Sequence[Reading], moment: datetime) -> None:
        for reading in readings:
            key = reading.check, reading.subject[:200]
            before = self._known.get(key)
            after = settle(before, replace(reading, subject=key[1], detail=reading.detail[:300]), self._rules, moment)
            if after is None:
                continue
            self._known[key] = after
            if after.state != (before.state if before else "ok"):
                self._changed(before.state if before else "ok", after)
        there = frozenset((each.check, each.subject[:200]) for each in readings)
        for key in gone(self._known, probe.covers, there):
            del self._known[key]
            self._left.add(key)
            metrics.forget(*key)

    def _changed(self, before: State, after: Known) -> None:
        log.warning("state changed", check=after.name, subject=after.subject, before=before, after=after.state)
        self._changes.append(
            MonitorStateChanged(
                check=after.name, subject=after.subject, before=before, after=after.state, at=after.since
            )
        )

    def _show(self) -> None:
        for known in self._known.values():
            metrics.STATE.labels(known.name, known.subject).set(ORDER.index(known.state))

    async def _tell_webhook(self, moment: datetime) -> None:
        """Needs no database: that may be what has failed."""
        if self._settings.webhook_url is None:
            return
        quiet = telling.is_quiet(self._settings, self._zone, moment)
        changes = telling.untold(self._known.values(), "posted", self._settings, quiet)
        if not changes:
            return
        told = await webhook.post(self._settings, telling.body(self._settings, changes, moment))
        metrics.ALERTS.labels("webhook", "told" if told else "failed").inc(len(changes))
        if told:
            self._known |= {each.key: replace(each, posted=each.state) for each in changes}

    async def _keep(self, moment: datetime) -> None:
        """Write down what is known, with its events and its mails, in one transaction."""
        quiet = telling.is_quiet(self._settings, self._zone, moment)
        told = self._known.values() if self._settings.mail_to else ()
        changes = telling.untold(told, "mailed", self._settings, quiet)
        mailed = {each.key: replace(each, mailed=each.state) for each in changes}
        owed = list(self._changes)
        async with self._context.database.session() as session:
            for name, subject in self._left:
                this = MonitorCheck.name == name, MonitorCheck.subject == subject
                await session.execute(delete(MonitorCheck).where(*this))
            for known in (self._known | mailed).values():
                await session.merge(_row(known))
            if changes:
                await self._mail(session, changes)
            await add(session, [Message.of(event) for event in owed])
        self._known |= mailed
        self._left.clear()
        del self._changes[: len(owed)]
        metrics.ALERTS.labels("mail", "told").inc(len(changes))
        if owed or changes:
            self._context.relay.wake()

    async def _mail(self, session: AsyncSession, changes: Sequence[Known]) -> None:
        subject, text = telling.mail(self._settings, changes, self._zone)
        for address in self._settings.mail_to:
            await post(session, self._context.vault, address, subject, text)


def _told_before(seen: Known, before: Known | None) -> Known:
    """What was seen alone, with what people were told of it before that, unless they were told otherwise since."""
    if before is None:
        return seen
    return replace(seen, mailed=before.mailed, posted=before.posted if seen.posted == "ok" else seen.posted)


def _known(row: MonitorCheck) -> Known:
    values = {name: getattr(row, name) for name in Known.__dataclass_fields__}
    return Known(**values | {"changes": tuple(map(datetime.fromisoformat, row.changes))})


def _row(known: Known) -> MonitorCheck:
    return MonitorCheck(**asdict(known) | {"changes": [each.isoformat() for each in known.changes]})
