"""Links that lead nowhere, the JSON of series without a link, and folders in which nothing is left.

A tree is swept in sixteen parts, by a hash of the names on its first level: those of `participants/` are PatientIDs
and stand in no event.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from shared.store import Store

TREES: Final = ("raw", "participants", "srs")
PARTS: Final = tuple(f"{tree}:{digit}" for tree in TREES for digit in "0123456789abcdef")
"""All there is to sweep, e.g. `raw:3`."""
LOCK: Final = ".lock"


def folders(store: Store, part: str) -> Iterator[Path]:
    """The folders of a part of a tree, below the tree's own."""
    tree, _, digit = part.partition(":")
    if tree not in TREES:
        return
    with suppress(FileNotFoundError):
        for entry in sorted(os.scandir(store / tree), key=lambda each: each.name):
            first = sha256(entry.name.encode("utf-8", "surrogateescape")).hexdigest()[0]
            if first == digit and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def clear(folder: Path, before: float, *, remove: bool) -> Counter[str]:
    """What of a folder leads nowhere and is older than a moment (seconds since 1970); removed, if that is meant.

    The folder itself goes when nothing is left in it.
    """
    found = Counter[str]()
    _clear(folder, before, remove, found)
    return found


def _clear(folder: Path, before: float, remove: bool, found: Counter[str]) -> bool:
    """Whether nothing is left of it (or would be)."""
    left, described, gone = 0, [], set[str]()
    with suppress(FileNotFoundError):
        young = folder.stat().st_mtime >= before
        for entry in sorted(os.scandir(folder), key=lambda each: each.name):
            path = Path(entry.path)
            if entry.is_symlink():
                if path.exists() or entry.stat(follow_symlinks=False).st_mtime >= before:
                    left += 1
                else:
                    found["links"] += 1
                    if remove:
                        path.unlink(missing_ok=True)
            elif entry.is_dir():
                if _clear(path, before, remove, found):
                    gone.add(entry.name)
                else:
                    left += 1
            elif entry.name != LOCK:
                described.append(path)
        for path in described:
            # A series' JSON is of no use without its links; what else is there is nobody's to remove.
            if path.suffix == ".json" and _without_series(path, gone) and path.stat().st_mtime < before:
                found["descriptions"] += 1
                if remove:
                    path.unlink(missing_ok=True)
            else:
                left += 1
        if left or young:
            return False
        found["folders"] += 1
        if remove:
            (folder / LOCK).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
        return True
    return True


def _without_series(path: Path, gone: set[str]) -> bool:
    # A UID has dots: only `.json` is taken off.
    folder = path.parent / path.name.removesuffix(".json")
    return folder.name in gone or not folder.is_dir()
