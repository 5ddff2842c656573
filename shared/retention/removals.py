"""What has left the store by a policy, remembered in the store itself: a database that is restored has forgotten it.

By it rows without files are told from files that are lost. JSON lines, a file a day and process, kept for longer than
backups are. A help and no promise: what a full disk does not take is not remembered.
"""

import json
import os
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from shared.log import logger
from shared.store import Store, sync_folder

log = logger("retention")
FOLDER: Final = "retention"
KEPT: Final = timedelta(days=400)
ARCHIVE: Final = "archive"
"""The tree of which rows speak: subjects are StudyInstanceUIDs. Of other trees they are transfers."""
_US: Final = uuid4().hex[:12]
"""On a shared volume no two processes write to one file."""


def keep(store: Store, tree: str, subject: str, at: datetime) -> None:
    """Something has left a tree; days that are older than KEPT go."""
    folder = store / FOLDER
    place = folder / f"{at.date()}.{_US}.jsonl"
    line = json.dumps({"at": at.isoformat(), "tree": tree, "subject": subject}) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = not place.exists()
        with place.open("a", encoding="ascii") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if new:
            sync_folder(folder)
            for old in _days(store, before=at - KEPT):
                old.unlink(missing_ok=True)
    except OSError as error:
        log.warning("a removal is not remembered", error=type(error).__name__)


def last(store: Store, tree: str, subjects: Collection[str], after: datetime | None = None) -> dict[str, datetime]:
    """When each of these has left a tree for the last time; nothing of what never has.

    `after`: of what left on earlier days nobody wants to hear, and they are not read.
    """
    wanted = set(subjects)
    found: dict[str, datetime] = {}
    for place in _days(store, after=after) if wanted else ():
        for of, subject, at in _lines(place):
            if of == tree and subject in wanted:
                found[subject] = max(at, found.get(subject, at))
    return found


def since(store: Store, moment: datetime | None = None) -> dict[tuple[str, str], datetime]:
    """What has left since then, or since it is remembered, by tree and subject."""
    found: dict[tuple[str, str], datetime] = {}
    for place in _days(store, after=moment):
        for tree, subject, at in _lines(place):
            if moment is None or at >= moment:
                found[tree, subject] = max(at, found.get((tree, subject), at))
    return found


def _days(store: Store, before: datetime | None = None, after: datetime | None = None) -> Iterator[Path]:
    for place in sorted((store / FOLDER).glob("*.jsonl")):
        day = place.name.partition(".")[0]
        if (before is None or day < f"{before.date()}") and (after is None or day >= f"{after.date()}"):
            yield place


def _lines(place: Path) -> Iterator[tuple[str, str, datetime]]:
    """What a file says; a killed process may have left half a line."""
    for line in place.read_text("ascii", errors="replace").splitlines():
        try:
            said = json.loads(line)
            yield str(said["tree"]), str(said["subject"]), datetime.fromisoformat(said["at"])
        except (ValueError, KeyError, TypeError):
            continue
