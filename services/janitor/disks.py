"""How full the disk of a tree is: by its volume, or, where that is shared or boundless, by what is ours of a quota.

The volume's figures are those of df: what is reserved for root is not there for us. Files run out, too: the scarcer of
bytes and inodes counts. Ours is what is allocated, each inode once: the journal and the archive share theirs.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.volume import volume_of

GIB: float = 1 << 30


@dataclass(frozen=True)
class Disk:
    """Bytes; `ours` is None when nobody had to know it."""

    capacity: int
    used: int
    ours: int | None = None
    inodes: float = 0.0
    """Percent of the inodes that are taken."""

    @property
    def percent(self) -> float:
        """How full it is, by what is scarcer."""
        return max(100 * self.used / self.capacity if self.capacity else 0.0, self.inodes)

    def excess(self, high: float, low: float) -> int:
        """Bytes that have to go: none up to `high` percent, beyond it all above `low`."""
        if self.percent <= high:
            return 0
        return round(self.used * (1 - low / self.percent))

    def shown(self) -> dict[str, Any]:
        """For people."""
        return asdict(self) | {"percent": round(self.percent, 1)}


def measure(folder: Path, quota_gib: float | None) -> Disk:
    """The disk on which a folder is, or would be."""
    if quota_gib is not None:
        ours = allocated(folder)
        return Disk(capacity=round(quota_gib * GIB), used=ours, ours=ours)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    volume = volume_of(folder)
    return Disk(volume.used + volume.free, volume.used, inodes=round(100 * volume.inodes_used, 1))


def allocated(folder: Path) -> int:
    """The bytes that a tree takes on its disk; a file with several names once."""
    total = 0
    several: set[tuple[int, int]] = set()
    for status in _walk(folder):
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in several:
                continue
            several.add((status.st_dev, status.st_ino))
        total += status.st_blocks * 512
    return total


def _walk(folder: Path) -> Iterator[os.stat_result]:
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(folder):
            with suppress(FileNotFoundError):
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False)
