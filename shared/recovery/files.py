"""Copies of a store's files: hard and symbolic links stay what they are, and what is being written is left out."""

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.recovery.dump import sync_file

FIRST: Final = ("journal", "archive")
"""An instance is in the journal before its name in the archive is; so, one that is owed is in both copies."""
NOT_COPIED: Final = ("fiona.sqlite", "secret.key")
"""The database has a copy of its own, and the key must not lie beside what it opens. Names that begin so."""
LIST: Final = "files.jsonl.gz"


@dataclass
class Copied:
    """How many files and bytes there are, and how many of the files a backup before had already."""

    files: int = 0
    bytes: int = 0
    linked: int = 0
    gone: int = field(default=0)


def walk(root: Path) -> Iterator[Path]:
    """All files and links of a store, in the order in which they are to be copied; drafts and locks left out."""
    tops = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    for top in sorted(tops, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST)):
        if top.startswith((*NOT_COPIED, ".")):
            continue
        if not (root / top).is_dir():
            yield root / top
            continue
        for folder, folders, names in os.walk(root / top):
            folders.sort()
            for name in [each for each in folders if os.path.islink(os.path.join(folder, each))]:
                folders.remove(name)
                names.append(name)
            yield from (Path(folder, name) for name in sorted(names) if not _passing(name))


def _passing(name: str) -> bool:
    return name.endswith(".part") or name in (".lock", "lock")


def write_list(root: Path, target: Path) -> Copied:
    """What is in a store, as lines of JSON: path and size; a symbolic link has no size."""
    seen = Copied()
    with gzip.open(target, "wt", encoding="utf-8", compresslevel=3) as lines:
        for path in walk(root):
            with suppress(FileNotFoundError):
                status = path.lstat()
                size = None if path.is_symlink() else status.st_size
                seen.files += 1
                seen.bytes += size or 0
                lines.write(json.dumps({"path": str(path.relative_to(root)), "size": size}) + "\n")
    return seen


def read_list(source: Path) -> Iterator[tuple[str, int | None]]:
    """What `write_list` has written."""
    with gzip.open(source, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            yield entry["path"], entry["size"]


def copy(source: Path, target: Path, before: Path | None = None) -> Copied:
    """Copy a store into a folder; what an earlier copy `before` has unchanged becomes a hard link to it.

    What is there already is left alone. OSError when the target is full or cannot be written.

    Only what a journal holds has two names, and the journal comes first: so much is remembered and no more, however
    large the store is (and in a backup that shares its files with another one, each has several names).
    """
    done = Copied()
    owed: dict[tuple[int, int], Path] = {}
    for path in walk(source):
        name = path.relative_to(source)
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            status = path.lstat()
            if path.is_symlink():
                if not os.path.lexists(place):
                    place.symlink_to(os.readlink(path))
            elif not place.exists():
                same = owed.get((status.st_dev, status.st_ino)) if status.st_nlink > 1 else None
                older = before / name if before else None
                if same is not None and _unchanged(same, status):
                    os.link(same, place)
                elif older is not None and _unchanged(older, status):
                    os.link(older, place)
                    done.linked += 1
                else:
                    _copy_file(path, place)
        except FileNotFoundError:
            done.gone += 1  # removed since it was listed
            continue
        if status.st_nlink > 1 and name.parts[0] == FIRST[0]:
            owed[status.st_dev, status.st_ino] = place
        done.files += 1
        done.bytes += 0 if path.is_symlink() else status.st_size
    return done


def _unchanged(copied: Path, status: os.stat_result) -> bool:
    """Whether a copy is of a file as it is now. The number of its inode says nothing: that may be another file's by
    now."""
    try:
        there = copied.lstat()
    except OSError:
        return False
    return (there.st_size, there.st_mtime_ns) == (status.st_size, status.st_mtime_ns)


def _copy_file(source: Path, target: Path) -> None:
    draft = target.with_name(f".{target.name}.part")
    try:
        shutil.copy2(source, draft)
        sync_file(draft)
        os.rename(draft, target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
