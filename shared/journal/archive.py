"""An instance's place in the archive, claimed by a hard link, which never overwrites."""

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta
from shared.store import Store

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance is or would be: `path` relative to the store."""

    path: str
    conflict: bool
    taken: bool = False
    mine: bool = False


def find_place(store: Store, file: Path, study_uid: str, sop_uid: str) -> Place:
    """The place for a file: free, already its own, or taken by the same dataset (then it is a duplicate)."""
    path = store.instance(study_uid, sop_uid)
    found = _look(store, file, path)
    if found is not None:
        return found
    path = store.conflict(study_uid, sop_uid, _digest(file))
    return _look(store, file, path, conflict=True) or Place(path, conflict=True, taken=True)


def _look(store: Store, file: Path, path: str, conflict: bool = False) -> Place | None:
    """The place if it serves (see find_place); None when other bytes are there."""
    there = store.root / path
    try:
        status = os.stat(there)
    except FileNotFoundError:
        return Place(path, conflict)
    if os.path.samestat(status, os.stat(file)):
        return Place(path, conflict, taken=True, mine=True)
    try:
        if not same_dataset(there, file):
            return None
        # Sent again: whoever is about to clear the archive sees that by its time, and leaves it. If the file has been
        # taken away meanwhile, this one takes its place.
        os.utime(there)
        taken = _is_still(there, status)
    except FileNotFoundError:
        return Place(path, conflict)
    return Place(path, conflict, taken=taken)


def _is_still(there: Path, status: os.stat_result) -> bool:
    """Whether a name is that file's after it was touched: whoever clears the archive takes the name first and looks at
    the time then, so one of the two sees the other. FileNotFoundError when the name is nobody's.

    The archive's own folder is opened before: then an NFS client, too, asks the server what is in it.
    """
    os.close(os.open(there.parent.parent, os.O_RDONLY | os.O_DIRECTORY))
    return os.path.samestat(status, os.stat(there))


def claim(store: Store, file: Path, study_uid: str, sop_uid: str) -> Place:
    """Link a file into its place, however many do so at once; `taken and not mine`: it is a duplicate."""
    while True:
        place = find_place(store, file, study_uid, sop_uid)
        if place.taken:
            return place
        target = store.root / place.path
        with suppress(FileExistsError):
            try:
                os.link(file, target)
            except FileNotFoundError:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
            return place


def same_dataset(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes in the same transfer syntax, whatever their meta says besides."""
    try:
        with _mapped(one) as x, _mapped(other) as y:
            first, second = read_meta(x), read_meta(y)
            if first.transfer_syntax_uid != second.transfer_syntax_uid:
                return False
            i, j, size = first.dataset, second.dataset, len(x) - first.dataset
            if len(y) - j != size:
                return False
            return all(x[i + n : i + n + _CHUNK] == y[j + n : j + n + _CHUNK] for n in range(0, size, _CHUNK))
    except (Unparsable, ValueError):
        return False


def _mapped(file: Path) -> mmap:
    with file.open("rb") as handle:
        return mmap(handle.fileno(), 0, access=ACCESS_READ)


def _digest(file: Path) -> str:
    """SHA-256 over transfer syntax and dataset."""
    with _mapped(file) as content:
        meta = read_meta(content)
        digest = sha256(meta.transfer_syntax_uid.encode("latin-1"))
        for start in range(meta.dataset, len(content), _CHUNK):
            digest.update(content[start : start + _CHUNK])
        return digest.hexdigest()
