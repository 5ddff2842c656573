"""Every second: what waits in the store becomes part of the chain, and the chain is held against its head."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.audit import metrics
from services.audit.append import append, head_of
from services.audit.settling import identities, settle
from services.audit.whose import attributed
from shared.audit import kept, spool
from shared.audit.chain import START, Link
from shared.audit.head import read_head, write_head
from shared.audit.record import Record
from shared.audit.verify import TRUNCATED
from shared.crypto import Vault
from shared.database import lock
from shared.keys import begin_audit_key
from shared.log import logger
from shared.moments import long_ago
from shared.store import Store
from shared.tables import AuditEntry
from shared.tables.base import now

log = logger("audit")
FILES = 1000
"""Of one round."""
RECORDS = 4000
"""Of one round, too: on SQLite nobody else writes meanwhile."""
AT_ONCE = 500
"""Values of one statement."""
ANNOUNCE_EVERY = timedelta(minutes=1)


@dataclass
class Announced:
    """The head that the log was last told: logs lie where nobody changes the database."""

    head: Link = START
    at: datetime | None = None


async def seal(session: AsyncSession, store: Store, vault: Vault, announced: Announced) -> None:
    """One round. A file goes in the round after the one that chained it: then that is committed."""
    files = await asyncio.to_thread(_read, store)
    key = await begin_audit_key(session, vault)
    await lock(session, "audit")
    head = await head_of(session)
    records, done = settle(files, await _chained(session, identities(files)), now())
    missing = await _missing(session, store, head)
    if missing is not None:
        records.append(missing)
        ended = await session.scalar(select(AuditEntry.at).where(AuditEntry.sequence == head.sequence))
        await asyncio.to_thread(kept.tell_again, store, ended or now() - kept.KEPT)
    else:
        await asyncio.to_thread(_keep, store, head, done, now().date())
        announce(announced, head)
    del records[RECORDS:]
    for start in range(0, len(records), AT_ONCE):
        await append(session, key, await attributed(session, records[start : start + AT_ONCE]))
    metrics.WAITING.set(len(files) - len(done))
    for record in records:
        metrics.ENTRIES.labels(record.outcome).inc()


def _read(store: Store) -> dict[Path, list[Record]]:
    """What waits. What is no record is set aside, for a person to look at, and stands in the way of nothing."""
    files = {}
    for path in spool.waiting(store, FILES):
        try:
            files[path] = spool.read(path)
        except ValueError:
            path.rename(path.with_suffix(".unreadable"))
            metrics.UNREADABLE.inc()
            log.error("records cannot be read: set aside", path=path.name)
    return files


def _keep(store: Store, head: Link, done: Sequence[Path], today: date) -> None:
    if head != START and read_head(store) != head:
        write_head(store, head)
    kept.keep(store, done, today)
    for path in done:
        path.unlink(missing_ok=True)


async def _chained(session: AsyncSession, ids: set[str]) -> set[str]:
    """Which of these ids stand in the chain."""
    ordered, found = sorted(ids), set[str]()
    for start in range(0, len(ordered), AT_ONCE):
        some = ordered[start : start + AT_ONCE]
        found.update(await session.scalars(select(AuditEntry.id).where(AuditEntry.id.in_(some))))
    return found


async def _missing(session: AsyncSession, store: Store, head: Link) -> Record | None:
    """The entry that says that the chain is shorter than its head in the store, unless one does already."""
    told_before = await asyncio.to_thread(read_head, store)
    if told_before is None:
        return None
    sequence, end = told_before
    same = select(AuditEntry.id).where(AuditEntry.sequence == sequence, AuditEntry.hash == end)
    if await session.scalar(same) is not None:
        return None
    of_these = select(AuditEntry).where(AuditEntry.operation == TRUNCATED).order_by(AuditEntry.sequence.desc())
    told = await session.scalar(of_these.limit(1))
    if told is not None and told.details.get("kept") == end:
        return None
    metrics.TRUNCATIONS.inc()
    log.error("the audit's chain is shorter than its head says", sequence=head.sequence, kept=sequence)
    details = {"found": head.sequence, "expected": sequence, "kept": end}
    return Record(actor="audit", actor_kind="service", operation=TRUNCATED, outcome="failed", details=details)


def announce(announced: Announced, head: Link) -> None:
    """Tell the log now and then, when it is another one."""
    if head != announced.head and (announced.at is None or long_ago(announced.at, ANNOUNCE_EVERY)):
        announced.head, announced.at = head, now()
        log.info("head of the audit's chain", sequence=head.sequence, head=head.hash)
