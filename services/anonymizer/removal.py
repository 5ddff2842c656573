"""Consent was withdrawn, or a transfer was stopped: what it has left here goes, and what was counted of it.

The values that were kept are counted once more, from the files, and taken off: one that only this participant had is
gone then. What is not there any more to be counted stays counted, and is said.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterable
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from deidentification import CannotDeidentify
from deidentification.review import Kept, KeptRow, elements_of
from services.anonymizer.kept import count_off
from shared.database import Database, lock
from shared.manifest import ManifestError, read_manifest
from shared.store import Store
from shared.tables import CountedPart, QuarantinedInstance

Part = tuple[str, int]
"""SeriesInstanceUID of the source, and revision."""
TREES: Final = {"anonymized": "de-identified files", "review": "review files"}
"""What of the store is a transfer's, and how people are told of it."""


async def remove_transfer(
    project: str, transfer: str, database: Database, store: Store, *, sent: bool = True
) -> tuple[Counter[str], Counter[str]]:
    """Remove rows, then files; what was removed, and what could not be. Twice is as good as once.

    `sent`: also what has passed, and was counted; else only what people were shown and what stayed in quarantine.
    """
    removed, left = Counter[str](), Counter[str]()
    if sent:
        removed, left = await uncount(project, transfer, database, store)
    async with database.session() as session:
        await lock(session, "anonymized", transfer)
        gone = await session.execute(
            delete(QuarantinedInstance)
            .where(QuarantinedInstance.transfer == transfer)
            .returning(QuarantinedInstance.sop_instance_uid)
        )
        removed["instances in quarantine"] += len(gone.all())
    removed += await asyncio.to_thread(_remove_files, store, transfer, TREES if sent else ("review",))
    return removed, left


async def uncount(project: str, transfer: str, database: Database, store: Store) -> tuple[Counter[str], Counter[str]]:
    """Take off what a transfer's files have added to the counts of values; how many values, and what stays counted."""
    async with database.reading() as session:
        parts = await _counted(session, transfer)
    off, missing = await asyncio.to_thread(_tally, store, transfer, parts)
    removed, left = Counter[str](), Counter[str]()
    async with database.session() as session:
        await lock(session, "anonymized", transfer)
        now_counted = await _counted(session, transfer)
        for part in now_counted:
            if part in off:
                removed["values of attributes"] += await count_off(session, project, off[part])
        await session.execute(delete(CountedPart).where(CountedPart.transfer == transfer))
    left["parts whose values stay counted"] += len([part for part in now_counted if part in missing])
    return removed, left


async def _counted(session: AsyncSession, transfer: str) -> list[Part]:
    rows = await session.execute(
        select(CountedPart.series_instance_uid, CountedPart.revision).where(CountedPart.transfer == transfer)
    )
    return [(series, revision) for series, revision in rows]


def _tally(store: Store, transfer: str, parts: list[Part]) -> tuple[dict[Part, list[KeptRow]], set[Part]]:
    """What the files of each part add to the counts; and the parts whose files are not all there."""
    found: dict[Part, list[KeptRow]] = {}
    missing: set[Part] = set()
    for part in parts:
        kept = Kept()
        try:
            for each in read_manifest(store, f"{store.anonymized(transfer, *part)}/manifest.json").instances:
                elements, encoding = elements_of(store / each.path)
                kept.remove(elements.items(), encoding)
        except (ManifestError, CannotDeidentify, OSError):
            missing.add(part)
        else:
            found[part] = kept.rows()
    return found, missing


def _remove_files(store: Store, transfer: str, trees: Iterable[str]) -> Counter[str]:
    removed = Counter[str]()
    for tree in trees:
        folder = store / f"{tree}/{transfer}"
        removed[TREES[tree]] += sum(path.is_file() and path.name != ".lock" for path in folder.rglob("*"))
        shutil.rmtree(folder, ignore_errors=True)
    return removed
