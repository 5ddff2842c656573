"""How full a volume is, as df says it: of what an ordinary user could have, in bytes and in inodes.

The last bytes of one are for those who make room: what comes in leaves them alone.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LAST_BYTES: Final = 128 << 20
LAST_SHARE: Final = 0.01
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""How a system says that there is no room: on the volume, or within a quota."""


@dataclass(frozen=True)
class Volume:
    """Bytes used and to be had, and which share (0 to 1) of the bytes and of the inodes is used."""

    used: int
    free: int
    bytes_used: float
    inodes_used: float

    @property
    def last(self) -> int:
        """So many bytes are left to those who make room."""
        return min(LAST_BYTES, int(LAST_SHARE * (self.used + self.free)))


def volume_of(path: Path) -> Volume:
    """The volume on which a path is; OSError where there is none."""
    found = os.statvfs(path)
    used, free = ((blocks * found.f_frsize) for blocks in (found.f_blocks - found.f_bfree, found.f_bavail))
    inodes = _share(found.f_files - found.f_ffree, found.f_favail) if found.f_files else 0.0
    return Volume(used, free, _share(used, free), inodes)


def _share(used: int, available: int) -> float:
    return used / (used + available) if used + available else 0.0
