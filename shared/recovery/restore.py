"""Back from a backup, and what happened after it is found again as far as anything of it is left.

Found again: every instance that lies in the archive or in a journal, and every event that the database of then knew and
had not handled. Not found again: what people decided after the backup; the audit is told of it once more by what the
store has kept (shared/audit/kept.py).
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from shared.crypto import open_vault
from shared.database import Database
from shared.keys import settle_hash_key
from shared.recovery import files
from shared.recovery.backup import STORE, Backup, read
from shared.recovery.dump import load
from shared.recovery.republish import Republished, republish
from shared.retention import removals
from shared.settings import Settings
from shared.store import Store

SHOWN = 20


@dataclass
class Restored:
    """What was put back, what of its files is not there, and what goes on its way again when services start."""

    backup: Backup
    again: Republished
    copied: int = 0
    missing: int = 0
    altered: int = 0
    removed: int = 0
    """Of its files, what a policy has removed since: nobody misses that."""
    examples: list[str] = field(default_factory=list)
    """Some of the paths that are missing or altered."""


async def restore(settings: Settings, source: Path) -> Restored:
    """Put a backup back: into an empty database, and beside what is in the store, of which nothing is overwritten.

    No service may run, and the broker must be as empty as the database. BackupError or DumpError, and nothing is
    changed, when it is no backup or the database is not empty; WrongKey when the master key is not the one of then.
    """
    backup = read(source)
    database = Database(settings.database())
    try:
        await load(database, source / backup.database)
        copied = 0
        if backup.with_files:
            copied = (await asyncio.to_thread(files.copy, source / STORE, settings.data)).files
        await database.migrate()
        await settle_hash_key(database, open_vault(settings))
        compared = await asyncio.to_thread(_compare, source / files.LIST, settings.data, backup.made_at)
        at_once = timedelta(0)  # nobody else is at work
        again = await republish(database, Store(settings.data), None, older_than=at_once, silent_for=at_once)
        return Restored(backup, again, copied, *compared)
    finally:
        await database.close()


def _compare(listed: Path, root: Path, made_at: datetime) -> tuple[int, int, int, list[str]]:
    """Files of the backup's list that are not in the store, have another size there, or were removed by a policy since.

    What passes is not missed.
    """
    left = removals.since(Store(root), made_at)
    missing = altered = removed = 0
    examples: list[str] = []
    for path, size in files.read_list(listed):
        if not path.startswith(("archive/", "review/", "anonymized/")):
            continue
        place = root / path
        try:
            same = size is None or place.lstat().st_size == size
        except FileNotFoundError:
            tree, name, *_ = path.split("/")
            if (tree, name.removeprefix("scp_")) in left:
                removed += 1
                continue
            missing += 1
        else:
            if same:
                continue
            altered += 1
        if len(examples) < SHOWN:
            examples.append(path)
    return missing, altered, removed, examples
