"""How full are the disks, in bytes and in files."""

import asyncio
from pathlib import Path
from typing import Final

from services.monitor import metrics
from services.monitor.probes import Ground
from services.monitor.readings import Reading, by_limits
from shared.volume import volume_of

COVERS: Final = frozenset({"disk"})


async def look(ground: Ground) -> list[Reading]:
    """The store's disk, and those that the settings name."""
    folders = {"store": ground.context.store.root} | {str(path): path for path in ground.settings.disks}
    return [await asyncio.to_thread(_disk, ground, name, path) for name, path in folders.items()]


def _disk(ground: Ground, name: str, path: Path) -> Reading:
    try:
        found = volume_of(path)
    except OSError as error:
        return Reading("disk", name, "failing", f"cannot be looked at: {error.strerror}")
    used, files = found.bytes_used, found.inodes_used
    metrics.DISK_USED.labels(name).set(max(used, files))
    metrics.DISK_FREE.labels(name).set(found.free)
    what = "of its inodes are used" if files > used else "full"
    state = by_limits(max(used, files), ground.settings.disk_warning, ground.settings.disk_failing)
    return Reading(
        "disk", name, state, f"{max(used, files):.0%} {what}, {found.free / 1e9:.1f} GB free", max(used, files)
    )
