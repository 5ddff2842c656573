"""From a delivery to its fate: inbox check, handler, inbox row, outbox rows, commit."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared import tracing
from shared.bus import Again, Bury, Delivery, Done, Fate
from shared.database import Database, DatabaseUnavailable
from shared.events import Event
from shared.handlers import Handler, Reject, Retry
from shared.ledger import Relay, add, claim, lineage, seen
from shared.ledger.changes import done
from shared.log import logger
from shared.service.composition import Resources, Service
from shared.service.metrics import HANDLED, SECONDS, WAITING
from shared.tables.base import now

log = logger("service")
TOLD = ("study_instance_uid", "series_instance_uid", "transfer", "association", "destination")
"""What a span says of the event that is handled in it."""


class Processor:
    """Does for every handler of a service what no handler does for itself."""

    def __init__(self, service: Service, resources: Resources, database: Database, relay: Relay) -> None:
        self._service = service
        self._resources = resources
        self._database = database
        self._relay = relay

    async def __call__(self, delivery: Delivery) -> Fate:
        """Handle a delivery; while the database is away, hold it and wait."""
        message = delivery.message
        pause = 0.25
        if not delivery.tries:
            WAITING.labels(delivery.queue).observe(_age(message.occurred_at))
        with (
            tracing.span(
                delivery.queue,
                message.traceparent or tracing.NEW,
                kind="consumer",
                service=self._service.name,
                queue=delivery.queue,
                correlation=message.correlation,
                tries=delivery.tries,
            ) as span,
            structlog.contextvars.bound_contextvars(
                service=self._service.name,
                queue=delivery.queue,
                message=message.id,
                correlation=message.correlation,
            ),
            SECONDS.labels(delivery.queue).time(),
        ):
            while True:
                try:
                    fate = await self._fate(delivery, span)
                    break
                except DatabaseUnavailable as error:
                    log.warning("database unavailable", error=str(error))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)
            word = type(fate).__name__.lower()
            HANDLED.labels(delivery.queue, word).inc()
            span.set(fate=word)
            if not isinstance(fate, Done):
                span.failed(fate.why)
            return fate

    async def _fate(self, delivery: Delivery, span: tracing.Span) -> Fate:
        try:
            event = delivery.message.event()
        except (KeyError, ValueError):
            return Bury("not an event that this version knows")
        handler = self._service.handlers.table[event.name]
        span.set(**{name: getattr(event, name, None) for name in TOLD})
        try:
            await self._handle(handler, event, delivery)
        except Retry as retry:
            log.info("again later", why=retry.why)
            return Again(retry.why, retry.delay)
        except Reject as reject:
            log.warning("rejected", why=reject.why)
            return Bury(reject.why)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # What fails beside a newer schema is not the message's fault: it is held for whoever replaces us.
            await self._database.check_schema()
            log.exception("handler failed")
            return Again(f"unexpected {type(error).__name__}")
        return Done()

    async def _handle(self, handler: Handler, event: Event, delivery: Delivery) -> None:
        produced: Sequence[Event] = ()
        if not handler.transactional:
            async with self._database.reading() as session:
                if await seen(session, delivery.queue, delivery.message.id):
                    return
            produced = await self._call(handler, event) or ()
        async with self._database.session() as session:
            if not await claim(session, delivery.queue, delivery.message.id):
                return
            if handler.transactional:
                produced = await self._call(handler, event, session) or ()
            await done(session, self._service.name, event)
            await lineage.note(session, event)
            await add(session, await lineage.messages(session, produced, delivery.message))
        if produced:
            self._relay.wake()

    async def _call(self, handler: Handler, event: Event, session: AsyncSession | None = None) -> Any:
        return await handler.function(event, **supply(handler.needs, self._resources, session))


def _age(moment: str) -> float:
    """Seconds since a moment in ISO 8601; 0 for what is none, or for the clock of a machine that is ahead."""
    try:
        return max(0.0, (now() - datetime.fromisoformat(moment)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def supply(needs: dict[str, type[Any]], resources: Resources, session: AsyncSession | None) -> dict[str, Any]:
    """The keyword arguments that a function asks for by type; KeyError names a type that nobody provides."""
    return {name: session if kind is AsyncSession else resources[kind] for name, kind in needs.items()}
