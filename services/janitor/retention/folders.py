"""Folders of a tree of the store, and how much is in them."""

import os
from collections.abc import Sequence
from contextlib import suppress

from shared.store import Store


def names(store: Store, tree: str, after: str = "", most: int | None = None) -> list[str]:
    """The next folders of a tree, or all of them; the tree is read once, and none of them is looked at."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(store / tree) as entries:
        return sorted(each.name for each in entries if each.name > after and each.is_dir())[:most]
    return []


def sizes_of(store: Store, names: Sequence[str], places: Sequence[str], pattern: str) -> dict[str, int]:
    """Name -> bytes, of those that have any file there."""
    found: dict[str, int] = {}
    for name in names:
        for place in places:
            for path in (store / place.format(name)).rglob(pattern):
                if path.is_file() and path.name != ".lock":
                    found[name] = found.get(name, 0) + path.stat().st_size
    return found
