"""One association's (or STOW-RS request's) folder in the journal, and what of it is still owed to the bus."""

import json
import os
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import uuid4

from shared.dicom.encoding import Buffer
from shared.journal.draft import Draft
from shared.journal.metrics import OWED
from shared.journal.outcome import Outcome, Record
from shared.journal.owed import entries, read_entry
from shared.store import sync_folder

if TYPE_CHECKING:
    from shared.journal.journal import Journal

FACTS = "association.json"
FILE_MODE = 0o640


class Facts(NamedTuple):
    """What events say of an association."""

    id: str
    calling_aet: str
    called_aet: str
    caller_ip: str
    opened_at: str
    traceparent: str | None = None

    @classmethod
    def read(cls, content: str) -> Self:
        """What `written` wrote; what a later version says more is left aside."""
        found = json.loads(content)
        return cls(**{name: found[name] for name in cls._fields if name in found})

    def written(self) -> dict[str, str]:
        """As it is kept on disk."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Association:
    """Instances come in by one thread, one after the other; the publisher takes them out by another.

    `kept` is the number of the last instance that was acknowledged as new, `published` of the last that the
    bus has. What lies between is `pending` in memory or, when that is full (`spilled`), on disk only.
    """

    def __init__(self, journal: "Journal", folder: Path, facts: Facts) -> None:
        self.journal = journal
        self.facts = facts
        self.kept = 0
        self.published = 0
        self.closed = False
        self._folder = folder
        self._descriptor = -1
        self._spare: tuple[Path, int] | None = None
        self._pending: deque[Record] = deque()
        self._spilled = False
        self._lock = Lock()

    @classmethod
    def open(cls, journal: "Journal", calling: str, called: str, ip: str, traceparent: str | None = None) -> Self:
        """A new one; nothing is on disk before its first instance."""
        identity = uuid4().hex
        opened_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(journal, journal.folder / identity, Facts(identity, calling, called, ip, opened_at, traceparent))

    @classmethod
    def recover(cls, journal: "Journal", folder: Path) -> Self | None:
        """One that a dead process left, ready to be published; None (and gone) when it owes nothing."""
        try:
            facts = Facts.read((folder / FACTS).read_text("utf-8"))
        except FileNotFoundError:
            # The facts are durable before the first answer: without them nothing was acknowledged.
            facts = Facts(folder.name, "", "", "", "")
        found = entries(folder)
        # Another size than the name says: the power failed before that one was acknowledged.
        torn = [entry for entry in found.owed if entry.path.stat().st_size != entry.size]
        for path in (*found.drafts, *(entry.path for entry in torn)):
            path.unlink(missing_ok=True)
        self = cls(journal, folder, facts)
        self.published = found.published
        self.kept = max((entry.number for entry in found.owed if entry not in torn), default=found.published)
        self._spilled = self.closed = True
        OWED.inc(self.owed)
        if self.kept == 0:
            self.remove()
            return None
        return self

    @property
    def next_number(self) -> int:
        """What the next kept instance will be called."""
        return self.kept + 1

    def make_folder(self) -> Path:
        """The folder with the association's facts, durable when this returns; OSError leaves nothing behind."""
        if self._descriptor < 0:
            try:
                self._write_facts()
                self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                self.remove()
                raise
        return self._folder

    def _write_facts(self) -> None:
        self._folder.mkdir(exist_ok=True)
        draft = self._folder / f".{FACTS}"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(self.facts.written(), file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, self._folder / FACTS)
        sync_folder(self._folder)
        sync_folder(self._folder.parent)

    def new_file(self) -> tuple[Path, int]:
        """An empty `.part` file for the next instance, open for writing."""
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        file = self.make_folder() / f"{uuid4().hex}.part"
        return file, os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)

    def prepare(self) -> None:
        """Make the next file ahead, while the sender is busy; of no consequence if it fails."""
        if self._spare is None and self._descriptor >= 0:
            with suppress(OSError):
                self._spare = self.new_file()

    def sync(self) -> None:
        """Make the names of its entries durable."""
        os.fsync(self._descriptor)

    def begin(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> Draft:
        """Start an instance whose dataset will come in fragments."""
        return Draft(self, sop_class_uid, sop_instance_uid, transfer_syntax_uid)

    def store(
        self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, dataset: Iterable[Buffer]
    ) -> Outcome:
        """Store an instance whose dataset (no File Meta) comes in chunks; nothing stays if one raises."""
        draft = self.begin(sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        try:
            for chunk in dataset:
                draft.write([chunk])
            return draft.commit()
        except BaseException:
            draft.discard()
            raise

    def keep(self, record: Record) -> None:
        """An instance is durable and in its place: it is owed from now on."""
        with self._lock:
            if not self._spilled and self.journal.room():
                self._pending.append(record)
            else:
                self._spilled = True
            self.kept = record.number
        OWED.inc()
        self.journal.news(self.kept - self.published)

    def take(self, most: int) -> list[Record]:
        """The next instances to publish, oldest first, at most so many; they stay owed until `settle`."""
        with self._lock:
            if self._pending:
                return [self._pending[i] for i in range(min(most, len(self._pending)))]
            if not self._spilled:
                return []
            last = self.kept
        return self._reread(last, most)

    def _reread(self, last: int, most: int) -> list[Record]:
        """From disk, up to entry `last`: a later one may still be in its thread's hands."""
        records: list[Record] = []
        for entry in entries(self._folder).owed:
            if not self.published < entry.number <= last:
                continue
            record = read_entry(self.journal.store, entry)
            if record is None:
                OWED.dec()
                self.journal.set_aside(entry.path)
                continue
            records.append(record)
            if len(records) == most:
                return records
        if not records:
            with self._lock:
                self.published = last
                self._spilled = self.kept != last
        return records

    def settle(self, records: list[Record]) -> None:
        """The bus has these: once their places in the archive are durable, they are no longer owed."""
        archive = self.journal.store.root
        for folder in {os.path.dirname(record.path) for record in records}:
            sync_folder(archive / folder)
        sync_folder(archive / "archive")
        last = records[-1].number
        self._mark(last)
        for record in records:
            with suppress(FileNotFoundError):
                os.unlink(self._folder / record.entry)
        with self._lock:
            while self._pending and self._pending[0].number <= last:
                self._pending.popleft()
                self.journal.freed()
            self.published = last
        OWED.dec(len(records))

    def _mark(self, number: int) -> None:
        """Note in a file's name how far the bus has come: after a crash nothing before it is said again."""
        before = self._folder / f"{self.published:08d}.published"
        after = self._folder / f"{number:08d}.published"
        try:
            os.rename(before, after)
        except FileNotFoundError:
            after.touch()

    @property
    def owed(self) -> int:
        """How many instances the bus has not got."""
        return self.kept - self.published

    def close(self) -> None:
        """No more instances will come."""
        if not self.closed:
            self.closed = True
            self._let_go()
            if self.kept == 0:
                self.remove()
                self.journal.forget(self)
            self.journal.news(None)

    def _let_go(self) -> None:
        if self._spare is not None:
            os.close(self._spare[1])
            with suppress(OSError):
                self._spare[0].unlink()
            self._spare = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Forget it on disk: nothing is owed, and the bus knows that it has ended."""
        with suppress(FileNotFoundError):
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)
            self._folder.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
