"""Run what is to be looked at every so often."""

import asyncio
import inspect
from time import perf_counter

import structlog

from shared.database import Database, DatabaseUnavailable, try_lock
from shared.ledger import Relay, add, lineage
from shared.log import logger
from shared.service.composition import Resources, Service, Tick
from shared.service.metrics import TICK_SECONDS, TICKS
from shared.service.processor import supply

log = logger("service")


async def run_tick(service: Service, tick: Tick, resources: Resources, database: Database, relay: Relay) -> None:
    """Until cancelled. A failure is logged and the next round tries again."""
    name = getattr(tick.function, "__name__", "tick")
    structlog.contextvars.bind_contextvars(service=service.name, tick=name)
    hints = inspect.get_annotations(tick.function, eval_str=True)
    needs = {parameter: hints[parameter] for parameter in inspect.signature(tick.function).parameters}
    while True:
        await asyncio.sleep(tick.every)
        outcome = "done"
        began = perf_counter()
        try:
            async with database.session() as session:
                if not await try_lock(session, "tick", service.name, name):
                    continue
                events = await tick.function(**supply(needs, resources, session)) or ()
                await add(session, await lineage.messages(session, events))
            if events:
                relay.wake()
        except DatabaseUnavailable as error:
            outcome = "unavailable"
            log.warning("database unavailable", error=str(error))
        except Exception:
            outcome = "failed"
            log.exception("tick failed")
        TICKS.labels(service.name, name, outcome).inc()
        TICK_SECONDS.labels(service.name).observe(perf_counter() - began)
