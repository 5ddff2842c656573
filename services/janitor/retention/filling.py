"""What goes because the disk is too full: as much as is needed and no more, and what is too old in any case."""

from collections import Counter
from datetime import datetime
from typing import Any

from services.janitor.plan import Cursor, Page, Want
from services.janitor.policies import ByDisk
from services.janitor.retention.ages import ago


class Filling:
    """What a page takes of what may go: as much as is needed, and what is too old in any case."""

    def __init__(self, policy: ByDisk, cursor: Cursor) -> None:
        self._policy = policy
        self._cursor = dict(cursor)
        self._wants: list[Want] = []
        self._kept = Counter[str]()
        self._counts = Counter[str]()

    def add(self, want: Want, why: str | None, at: datetime) -> None:
        """One candidate, why it stays (if it does), and since when nothing happened to it."""
        if why is not None:
            self._kept[why] += 1
            return
        self._counts += Counter({"could": 1, "could_bytes": want.size})
        old = self._policy.after_days is not None and at < ago(self._policy.after_days)
        if not old and self._cursor["planned"] >= self._cursor["need"]:
            return
        said = f"older than {self._policy.after_days:g} days" if old else "the disk is too full"
        self._cursor["planned"] += want.size
        self._wants.append(Want(want.kind, want.subject, want.before, want.size, said, want.limits))

    def enough(self, report: bool) -> bool:
        """Whether nothing more is to be looked for."""
        return not report and self._policy.after_days is None and self._cursor["planned"] >= self._cursor["need"]

    def state(self) -> dict[str, Any]:
        """The cursor without its place."""
        return {name: value for name, value in self._cursor.items() if name not in ("at", "id")}

    def page(self, last: Any, report: bool) -> Page:
        """What was found, and where to go on."""
        cursor = None
        if last is not None and not self.enough(report):
            cursor = self.state() | {"at": last[0].isoformat(), "id": last[1]}
        return Page(self._wants, kept=self._kept, cursor=cursor, counts=self._counts)
