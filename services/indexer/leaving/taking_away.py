"""A study's folder taken out of the archive by one rename, so that what is sent again finds the place free.

A file goes only if the catalogue knows it as gone, it is as long as the catalogue says, no journal holds it, and nobody
has sent it since the moment given: each other one is put back where it was. (The receiver touches a file when it
is sent again, and stores it anew when it is not there then: shared/journal/archive.py.)
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shared.journal.archive import same_dataset
from shared.store import Store, sync_folder

AWAY = "archive/.removed"


@dataclass(frozen=True)
class Known:
    """What the catalogue says of a file."""

    sop_instance_uid: str
    size: int
    removed: bool


@dataclass
class Gone:
    """What was removed, and the store-relative paths that were put back."""

    files: int = 0
    size: int = 0
    back: list[str] = field(default_factory=list)


def stays(store: Store, uid: str, known: Mapping[str, Known], before: datetime) -> str | None:
    """Why a folder must stay as it is on disk; None: all that is in it may go."""
    strangers = 0
    for path, status in _files(store / f"archive/scp_{uid}"):
        row = known.get(f"archive/scp_{uid}/{path}")
        if status.st_nlink > 1:
            return "it is just being received"
        if status.st_mtime >= before.timestamp():
            return "it was sent again"
        strangers += row is None or row.size != status.st_size
    if strangers:
        return f"{strangers} of its files are not in the catalogue as they are"
    return None


def take_away(store: Store, uid: str, known: Mapping[str, Known], before: datetime) -> Gone:
    """Remove what may go; what was removed, and what was put back. OSError when one can be neither."""
    folder, away = store / f"archive/scp_{uid}", store / f"{AWAY}/scp_{uid}"
    if not away.exists() and folder.exists():
        away.parent.mkdir(parents=True, exist_ok=True)
        os.rename(folder, away)
        sync_folder(folder.parent)
    gone = Gone()
    for path, _ in list(_files(away)):
        # Read again: it may have been sent again until the folder was taken away.
        status = _as_it_is_now(away / path)
        place = f"archive/scp_{uid}/{path}"
        row = known.get(place)
        if (
            row is not None
            and row.removed
            and row.size == status.st_size
            and status.st_nlink == 1
            and status.st_mtime < before.timestamp()
        ):
            (away / path).unlink()
            gone.files += 1
            gone.size += status.st_size
        else:
            put_back(away / path, folder / path)
            gone.back.append(place)
    return gone


def clear_away(store: Store, uid: str) -> None:
    """Remove the folder that was taken away, which is empty. OSError when it is not: something has come in since it was
    listed, by a receiver that had the old name in hand, and is to be looked at as well."""
    for folder, _, _ in os.walk(store / f"{AWAY}/scp_{uid}", topdown=False):
        os.rmdir(folder)


def _as_it_is_now(file: Path) -> os.stat_result:
    """Its size, its names and when it was touched, as the server of a shared volume knows it.

    What an NFS client was told of a file a moment ago it says again for up to a minute (acregmax), whatever the clients
    of other machines have done; when a file is opened it asks (close-to-open consistency).
    """
    with file.open("rb") as opened:
        return os.fstat(opened.fileno())


def put_back(file: Path, place: Path) -> None:
    """Give a file its place again. Of the same stored there meanwhile one is enough; anything else is kept, too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place)
    except FileExistsError:
        if not same_dataset(file, place):
            os.link(file, place.with_name(f"{file.stat().st_ino:x}.{place.name}"))
    sync_folder(place.parent)
    file.unlink()


def _files(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    with suppress(FileNotFoundError):
        for path in sorted(folder.rglob("*")):
            if not path.is_dir():
                yield str(path.relative_to(folder)), path.lstat()
