"""What the janitor keeps of the disk for the day when it is full: then nothing could be noted, and so nothing removed.

A file that takes its space while all is well, and is given up when there is no other. What comes in leaves the last
bytes of a volume alone (shared.volume), so what was given up is there for those who make room.
"""

import os
from contextlib import suppress
from typing import Final

from services.janitor import metrics
from shared.log import logger
from shared.store import Store
from shared.volume import Volume, volume_of

log = logger("janitor")
NAME: Final = ".reserve"
"""In the store; no backup has it."""


def wanted(volume: Volume) -> int:
    """How large it is to be: less than what is left to those who make room, so that it invites nobody else."""
    return volume.last // 2


def tend(store: Store) -> None:
    """Give it up when the disk is full, make it when there is plenty again; any number of processes may do so."""
    file = store.root / NAME
    volume = volume_of(store.root)
    size = file.stat().st_size if file.exists() else 0
    if size and volume.free < volume.last // 4:
        file.unlink(missing_ok=True)
        log.warning("the disk is full: the reserve is given up", bytes=size)
        size = 0
    elif size < wanted(volume) and volume.free >= 2 * volume.last:
        with suppress(OSError):
            size = _make(file, wanted(volume))
    metrics.RESERVE.set(size)


def _make(file: os.PathLike[str], size: int) -> int:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        return size
    finally:
        os.close(descriptor)
