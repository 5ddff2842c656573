"""The journal of one process, and of the dead ones whose debts it has taken over."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from shared.journal.association import Association
from shared.journal.lock import LockedFolder
from shared.journal.metrics import RECOVERED, SET_ASIDE
from shared.log import logger
from shared.store import Store
from shared.switches import Switches

log = logger("journal")

MOST_IN_MEMORY = 20_000
"""Owed instances remembered over all associations; beyond, they are read from disk again when it is time."""

BATCH = 500
"""Instances per event."""


class Journal:
    """`store/journal/<owner>-<random>/`: open for the life of a process. Threads may share it."""

    def __init__(self, store: Store, owner: str, most_in_memory: int = MOST_IN_MEMORY) -> None:
        self.store = store
        self.switches = Switches(store)
        self.owner = owner
        self._parent = store.root / "journal"
        self._own = LockedFolder.create(self._parent, owner)
        self._orphans: dict[LockedFolder, set[str]] = {}
        self._associations: dict[str, Association] = {}
        self._in_memory = 0
        self._most_in_memory = most_in_memory
        self._lock = Lock()
        self.on_news: Callable[[], None] = lambda: None

    @property
    def folder(self) -> Path:
        """Where this process's associations are."""
        return self._own.path

    def association(self, calling: str, called: str, ip: str, traceparent: str | None = None) -> Association:
        """Open an association; to be closed, e.g. by `with`. Nothing is on disk before its first instance."""
        association = Association.open(self, calling, called, ip, traceparent)
        with self._lock:
            self._associations[association.facts.id] = association
        return association

    def associations(self) -> list[Association]:
        """All that are open or still owe something, oldest first."""
        with self._lock:
            return list(self._associations.values())

    @property
    def owed(self) -> int:
        """Instances acknowledged that the bus has not got, as far as this process answers for them."""
        return sum(association.owed for association in self.associations())

    def recover(self) -> int:
        """Take over what dead processes left; how many associations that made.

        One that cannot be read now keeps nobody else from being paid, and is tried again the next time.
        """
        recovered = 0
        fresh = (LockedFolder.orphan(path) for path in sorted(self._parent.iterdir()) if path.name[0] != ".")
        for folder in (*self._orphans, *(each for each in fresh if each is not None)):
            found = self._recovered(folder)
            with self._lock:
                self._associations.update((association.facts.id, association) for association in found)
                self._orphans.setdefault(folder, set()).update(association.facts.id for association in found)
            if not found:
                continue
            RECOVERED.inc(len(found))
            recovered += len(found)
            log.info(
                "took over a dead process's journal",
                associations=len(found),
                instances=sum(association.owed for association in found),
            )
        self._release_paid()
        return recovered

    def _recovered(self, folder: LockedFolder) -> list[Association]:
        """What can be read of a folder and was not before."""
        found: list[Association] = []
        known = self._orphans.get(folder, ())
        try:
            for place in folder.folders():
                if place.name not in known and (association := self._read(place)) is not None:
                    found.append(association)
        except OSError as error:
            log.error("a journal cannot be read yet", error=type(error).__name__)
        return found

    def _read(self, place: Path) -> Association | None:
        try:
            return Association.recover(self, place)
        except (OSError, ValueError, TypeError) as error:
            log.error("an association cannot be recovered yet", association=place.name, error=type(error).__name__)
            return None

    def forget(self, association: Association) -> None:
        """An association has ended and owes nothing."""
        with self._lock:
            self._associations.pop(association.facts.id, None)
            for left in self._orphans.values():
                left.discard(association.facts.id)
        self._release_paid()

    def _release_paid(self) -> None:
        with self._lock:
            paid = [folder for folder, left in self._orphans.items() if not left]
            for folder in paid:
                del self._orphans[folder]
        for folder in paid:
            folder.release()

    def room(self) -> bool:
        """Whether one more owed instance may be remembered; the caller gives it back by `freed`."""
        with self._lock:
            if self._in_memory >= self._most_in_memory:
                return False
            self._in_memory += 1
            return True

    def freed(self) -> None:
        """One instance less in memory."""
        with self._lock:
            self._in_memory -= 1

    def news(self, waiting: int | None) -> None:
        """There is something to publish at once: an association has ended (None) or a batch is full."""
        if waiting is None or waiting % BATCH == 0:
            self.on_news()

    def set_aside(self, path: Path) -> None:
        """Keep an owed file that cannot be read any more where a person finds it."""
        if path.exists():
            SET_ASIDE.inc()
            log.error("an owed file cannot be read any more", association=path.parent.name, entry=path.name)
            aside = self._parent / ".unreadable"
            aside.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                os.rename(path, aside / f"{path.parent.name}.{path.name}")

    def close(self) -> None:
        """Let go of everything; what is still owed is for whoever opens a journal next."""
        for folder in (*self._orphans, self._own):
            folder.release()
        self._orphans.clear()
