"""Pays what the journal owes to the bus, in batches, for as long as it takes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from shared import tracing
from shared.bus.message import Message
from shared.events import AssociationClosed, InstancesReceived
from shared.heartbeat import was_one
from shared.journal.association import Association, Facts
from shared.journal.journal import BATCH, Journal
from shared.journal.metrics import OLDEST, PUBLISHED
from shared.journal.outcome import Record
from shared.log import logger

log = logger("journal")

ASSOCIATIONS_AT_ONCE = 8
BATCHES_EACH = 20
"""Then others have their turn, however fast one association brings more."""


class Publishes(Protocol):
    """As much of a bus as is needed here."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when the bus has the messages durably."""


class Publisher:
    """`run` it as a task beside whatever receives; `flush` it once nothing more comes in."""

    def __init__(self, journal: Journal, bus: Publishes, every: float = 1.0, recover_every: float = 30.0) -> None:
        self._journal = journal
        self._bus = bus
        self._every = every
        self._recover_every = recover_every
        self._longest_pause = 30.0
        self._news = asyncio.Event()
        self._owes: dict[str, int] = {}
        self._since = 0.0

    async def run(self) -> None:
        """Publish about every second, or earlier for a full batch or an ended association; never returns."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with suppress(RuntimeError):  # an association that outlives the loop
                loop.call_soon_threadsafe(self._news.set)

        self._journal.on_news = wake
        pause = self._every
        recover_at = 0.0
        while True:
            self._news.clear()
            try:
                if loop.time() >= recover_at:
                    recover_at = loop.time() + self._recover_every
                    await asyncio.to_thread(self._journal.recover)
                await self.flush()
                pause = self._every
            except Exception as error:
                # Whatever it is, the debt is on disk and stays there: the bus, or the disk itself, is away.
                log.warning("cannot publish yet", error=type(error).__name__, owed=self._journal.owed)
                pause = min(pause * 2, self._longest_pause)
                await asyncio.sleep(pause)
            self._measure(loop.time())
            try:
                async with asyncio.timeout(self._every):
                    await self._news.wait()
            except TimeoutError:
                pass

    def _measure(self, moment: float) -> None:
        """Of what was owed at some moment, is anything still? If not, look at what is owed now."""
        now = {each.facts.id: each for each in self._journal.associations()}
        if not any(name in now and now[name].published < kept for name, kept in self._owes.items()):
            self._owes = {name: each.kept for name, each in now.items() if each.owed}
            self._since = moment
        OLDEST.labels(self._journal.owner).set(moment - self._since)

    async def flush(self) -> None:
        """Go once through all associations; raises what the bus raises, and at the end what the disk did.

        An association whose files the disk does not give out stays owed and holds up no other.
        """
        waiting = self._journal.associations()
        failed: Failed = {}
        while waiting:
            some, waiting = waiting[:ASSOCIATIONS_AT_ONCE], waiting[ASSOCIATIONS_AT_ONCE:]
            for _ in range(BATCHES_EACH):
                batches = await asyncio.to_thread(_batches, some, failed)
                if not batches:
                    break
                await self._bus.publish([_received(association, records) for association, records in batches])
                await asyncio.to_thread(_settle, batches, failed)
                if all(len(records) < BATCH for _, records in batches):
                    break
            await self._end([ended for ended in some if ended.closed and not ended.owed])
        for error in failed.values():
            raise error

    async def drain(self, timeout: float) -> None:
        """Once nothing more comes in: publish what the bus takes in that time; the rest stays on disk."""
        try:
            async with asyncio.timeout(timeout):
                while self._journal.associations():
                    await self.flush()
        except Exception as error:
            log.info("left for the next start", error=type(error).__name__, owed=self._journal.owed)

    async def _end(self, associations: list[Association]) -> None:
        """Say of those that have ended that they have, and forget them."""
        messages = [_ended(ended) for ended in associations if ended.published]
        if messages:
            await self._bus.publish(messages)
        for ended in associations:
            await asyncio.to_thread(ended.remove)
            self._journal.forget(ended)


Batch = tuple[Association, list[Record]]
Failed = dict[Association, OSError]


def _batches(associations: list[Association], failed: Failed) -> list[Batch]:
    batches: list[Batch] = []
    for association in associations:
        try:
            if association not in failed and (records := association.take(BATCH)):
                batches.append((association, records))
        except OSError as error:
            _note(association, error, failed)
    return batches


def _settle(batches: list[Batch], failed: Failed) -> None:
    for association, records in batches:
        try:
            association.settle(records)
            PUBLISHED.inc(len(records))
        except OSError as error:
            _note(association, error, failed)


def _note(association: Association, error: OSError, failed: Failed) -> None:
    log.error("an association cannot be settled yet", association=association.facts.id, error=type(error).__name__)
    failed[association] = error


def _received(association: Association, records: list[Record]) -> Message:
    facts = association.facts
    event = InstancesReceived(
        association=facts.id,
        calling_aet=facts.calling_aet,
        called_aet=facts.called_aet,
        caller_ip=facts.caller_ip,
        instances=tuple(record.instance() for record in records),
    )
    return _message(facts, event, len(records))


def _ended(association: Association) -> Message:
    event = AssociationClosed(
        association=association.facts.id,
        instances=association.published,
        heartbeat=was_one(association.facts.calling_aet, association.published),
    )
    return _message(association.facts, event, association.published)


def _message(facts: Facts, event: InstancesReceived | AssociationClosed, instances: int) -> Message:
    """The event in the trace of its association."""
    origin = facts.traceparent or tracing.NEW
    with tracing.span(event.name, origin, kind="producer", association=facts.id, instances=instances):
        return Message.of(event)
