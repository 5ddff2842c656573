"""Back from a backup, and what happened after it is found again as far as anything of it is left.

Found again: every instance that lies in the archive or in a journal, and every event that the database of then knew and
had not handled. Not found again: what people decided after the backup; the audit's records of it are in the store.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from shared.crypto import open_vault
from shared.database import Database
from shared.keys import settle_hash_key
from shared.recovery import files
from shared.recovery.backup import STORE, Backup, read
from shared.recovery.dump import load
from shared.recovery.republish import Republished, republish
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
        missing = await asyncio.to_thread(_compare, source / files.LIST, settings.data)
        again = await republish(database, Store(settings.data), None, older_than=timedelta(0))
        return Restored(backup, again, copied, *missing)
    finally:
        await database.close()


def _compare(listed: Path, root: Path) -> tuple[int, int, list[str]]:
    """Files of the backup's list that are not in the store, or have another size there. What passes is not missed."""
    missing = altered = 0
    examples: list[str] = []
    for path, size in files.read_list(listed):
        if not path.startswith(("archive/", "review/", "anonymized/")):
            continue
        place = root / path
        try:
            same = size is None or place.lstat().st_size == size
        except FileNotFoundError:
            missing += 1
        else:
            if same:
                continue
            altered += 1
        if len(examples) < SHOWN:
            examples.append(path)
    return missing, altered, examples
