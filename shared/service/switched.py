"""A queue whose handler has a switch is consumed while that is on: what waits stays there, and no try is spent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from shared.bus.protocol import Bus, Deliver
from shared.log import logger
from shared.switchable import Switch
from shared.switches import Switches

log = logger("service")
LOOK = 1.0
"""Seconds between two looks at a switch."""


@asynccontextmanager
async def consume(
    bus: Bus, queue: str, deliver: Deliver, prefetch: int, switches: Switches, switch: Switch
) -> AsyncIterator[None]:
    """As the bus's own `consume`, but nothing is taken while the switch is off; what is in hand then is finished."""
    stopping = asyncio.Event()
    work = asyncio.create_task(_while_on(bus, queue, deliver, prefetch, switches, switch, stopping))
    try:
        yield
    finally:
        stopping.set()
        await work


async def _while_on(
    bus: Bus, queue: str, deliver: Deliver, prefetch: int, switches: Switches, switch: Switch, stopping: asyncio.Event
) -> None:
    while not stopping.is_set():
        if switches.is_on(switch):
            async with bus.consume(queue, deliver, prefetch):
                while not stopping.is_set() and switches.is_on(switch):
                    await _pause(stopping)
            if not stopping.is_set():
                log.warning("switched off", switch=switch.value, queue=queue)
        else:
            await _pause(stopping)
            if switches.is_on(switch):
                log.info("switched on", switch=switch.value, queue=queue)


async def _pause(stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), LOOK)
