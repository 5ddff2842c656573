"""Run what is to be looked at every so often."""

import asyncio
import inspect

import structlog

from shared.bus import Message
from shared.database import Database, DatabaseUnavailable, try_lock
from shared.ledger import Relay, add
from shared.log import logger
from shared.service.composition import Resources, Service, Tick
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
        try:
            async with database.session() as session:
                if not await try_lock(session, "tick", service.name, name):
                    continue
                events = await tick.function(**supply(needs, resources, session)) or ()
                await add(session, [Message.of(event) for event in events])
            if events:
                relay.wake()
        except DatabaseUnavailable as error:
            log.warning("database unavailable", error=str(error))
        except Exception:
            log.exception("tick failed")
