"""What the journal owes to the bus, whoever's it is: of a receiver that is not there no one else can say.

Names and times only; no file is opened. A file's time is by the clock of whoever wrote it, and may still be to come: so
it counts for how long an entry has been seen here, too.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from shared.journal.owed import entries

FOLDERS: Final = 2000
"""Associations that are looked at; what is owed for long is not hard to find."""
ENTRIES: Final = 50
"""Entries of one whose times are looked at, the first ones; one that was sent again has the time of that."""


@dataclass(frozen=True)
class Debt:
    """Instances acknowledged of which the bus has not heard, and for how many seconds the oldest is owed."""

    instances: int = 0
    oldest: float = 0.0


@dataclass
class Journal:
    """Remembers since when the first entry of each association has been the first."""

    folder: Path
    clock: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _first: dict[str, tuple[int, float]] = field(default_factory=dict)

    def debt(self) -> Debt:
        """As of now."""
        instances, oldest = 0, 0.0
        first: dict[str, tuple[int, float]] = {}
        for association in islice(self._associations(), FOLDERS):
            owed = _owed(association)
            if not owed:
                continue
            number = min(owed)
            known = self._first.get(association)
            first[association] = known if known and known[0] == number else (number, self.steady())
            oldest = max(oldest, self.steady() - first[association][1], self._age(owed))
            instances += len(owed)
        self._first = first
        return Debt(instances, oldest)

    def _associations(self) -> list[str]:
        owners = [each for each in _entries(self.folder) if each.is_dir() and not each.name.startswith(".")]
        return [each.path for owner in owners for each in _entries(owner) if each.is_dir()]

    def _age(self, owed: dict[int, Path]) -> float:
        """Of the oldest of the first entries, by their times; 0 when all are gone or to come."""
        times = []
        for number in sorted(owed)[:ENTRIES]:
            try:
                times.append(owed[number].stat().st_mtime)
            except FileNotFoundError:
                continue
        return max(0.0, self.clock() - min(times)) if times else 0.0


def _owed(folder: str) -> dict[int, Path]:
    """The entries of an association, by their numbers."""
    try:
        return {each.number: each.path for each in entries(Path(folder)).owed}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _entries(folder: str | Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []
