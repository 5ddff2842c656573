"""What stands in the chain, kept in the store as well for a while: a database that is restored has forgotten it.

A file a day, JSON lines as in the spool. When the chain is shorter than its head says, what came after its end is laid
into the spool again; a record has an id and stands in the chain once, so that it may be told as often as one likes.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from shared.audit import spool
from shared.audit.record import Record
from shared.store import Store, sync_folder

FOLDER = "audit/kept"
KEPT = timedelta(days=30)
BEFORE = timedelta(minutes=15)
"""Records wait for their outcome, and are chained in the order in which they end: some are older than the end."""
AT_ONCE = 1000
"""Records of one file of the spool."""


def keep(store: Store, files: Sequence[Path], today: date) -> None:
    """Add what these files say to the day's, durably; days that are older than KEPT go."""
    if not files:
        return
    folder = store / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{today}.jsonl"
    new = not place.exists()
    with place.open("ab") as day:
        # What a killed process has left half written ends here.
        day.write(b"\n" + b"".join(path.read_bytes() for path in files))
        day.flush()
        os.fsync(day.fileno())
    if new:
        sync_folder(folder)
        for old in folder.glob("*.jsonl"):
            if old.stem < f"{today - KEPT}":
                old.unlink(missing_ok=True)


def tell_again(store: Store, end: datetime) -> int:
    """Lay what was recorded since the end of the chain into the spool; how many records."""
    since = end - BEFORE
    again = {(record.id, record.outcome): record for record in _records(store, since.date()) if record.at >= since}
    records = sorted(again.values(), key=lambda record: record.at)
    for start in range(0, len(records), AT_ONCE):
        spool.write(store, records[start : start + AT_ONCE])
    return len(records)


def _records(store: Store, since: date) -> Iterator[Record]:
    for place in sorted((store / FOLDER).glob("*.jsonl")):
        if place.stem < f"{since}":
            continue
        for line in place.read_bytes().splitlines():
            try:
                yield Record.model_validate_json(line)
            except ValueError:
                continue
