"""What somebody has switched off, so that it is not forgotten."""

import asyncio
from typing import Final

from services.monitor.probes import Ground
from services.monitor.readings import Reading

COVERS: Final = frozenset({"switch"})


async def look(ground: Ground) -> list[Reading]:
    """A reading for each; the reason is not told, for it may be anything that a person writes."""
    found = await asyncio.to_thread(ground.switches.all)
    for switch in found:
        ground.switches.is_on(switch)
    return [
        Reading("switch", switch.value, "ok", "on")
        if off is None
        else Reading("switch", switch.value, "warning", f"off, since {off.since or 'somebody made its file'}")
        for switch, off in found.items()
    ]
