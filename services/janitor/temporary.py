"""Temporary files that a killed writer has left: `.….part` in the trees of which nobody else clears them.

The journal is the receiver's and is never looked into: what is in it is owed.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.store import Store

TREES: Final = ("raw", "anonymized", "review", "exports", "outbox", "audit", "switches")


def leftovers(store: Store, tree: str, before: datetime) -> Iterator[tuple[Path, int]]:
    """Those that were last written before a moment, with their sizes."""
    if tree not in TREES:
        return
    for path in (store / tree).rglob(".*.part"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file() and not path.is_symlink() and status.st_mtime < before.timestamp():
            yield path, status.st_size


def remove(store: Store, tree: str, before: datetime) -> dict[str, int]:
    """Remove them; how many, and how large they were."""
    removed = {"files": 0, "bytes": 0}
    for path, size in list(leftovers(store, tree, before)):
        path.unlink(missing_ok=True)
        removed["files"] += 1
        removed["bytes"] += size
    return removed
