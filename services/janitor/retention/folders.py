"""Folders of a tree of the store, and how much is in them."""

from collections.abc import Sequence

from shared.store import Store


def names(store: Store, tree: str, after: str, most: int) -> list[str]:
    """The next folders of a tree."""
    folder = store / tree
    if not folder.is_dir():
        return []
    return sorted(each.name for each in folder.iterdir() if each.name > after and each.is_dir())[:most]


def sizes_of(store: Store, names: Sequence[str], places: Sequence[str], pattern: str) -> dict[str, int]:
    """Name -> bytes, of those that have any file there."""
    found: dict[str, int] = {}
    for name in names:
        for place in places:
            for path in (store / place.format(name)).rglob(pattern):
                if path.is_file() and path.name != ".lock":
                    found[name] = found.get(name, 0) + path.stat().st_size
    return found
