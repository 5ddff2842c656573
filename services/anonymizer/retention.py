"""De-identified files whose time is over: of transfers that are whole at their destinations, were
done again, or were stopped.

The manifests of the former stay: by them a destination can still be made to delete what was sent.
"""

import asyncio
import shutil
from collections import Counter

from services.anonymizer.removal import remove_transfer, uncount
from shared.database import Database
from shared.events import RetentionApplied, RetentionEnded
from shared.log import logger
from shared.retention import removals
from shared.retention.facts import facts_of_transfers
from shared.retention.orders import going
from shared.retention.rows import answer
from shared.retention.whole import why_files_kept, why_rest_kept
from shared.store import Store
from shared.tables import Transfer
from shared.tables.base import now

log = logger("anonymizer")
KINDS = {"anonymized": why_files_kept, "review": why_files_kept, "stopped": why_rest_kept}
"""What may go, and who says why it must not."""
TREES = {"anonymized": ("anonymized",), "review": ("review",), "stopped": ("anonymized", "review")}
"""What of the store that is about."""


async def expire(event: RetentionEnded, database: Database, store: Store) -> list[RetentionApplied]:
    """Look again, then remove. Twice is as good as once."""
    transfer = event.subject
    async with database.reading() as session:
        row = await session.get(Transfer, transfer)
        allowed = await going(session)
        facts = await facts_of_transfers(session, [transfer])
    if row is None or not facts:
        return [answer(event, kept="there is no such transfer")]
    study = row.study_instance_uid
    why = KINDS[event.kind](facts[0], event.limits, now()) if allowed else "the janitor was stopped"
    if why is not None:
        return [answer(event, kept=why, study=study)]
    if event.kind == "stopped":
        removed, _ = await remove_transfer(row.project, transfer, database, store)
    elif event.kind == "review":
        removed = await asyncio.to_thread(_remove, store, f"review/{transfer}")
    else:
        removed = Counter[str]()
        if row.state == "failed":
            # What was done again is counted again: once is enough.
            removed, _ = await uncount(row.project, transfer, database, store)
        removed += await asyncio.to_thread(_remove_files, store, f"anonymized/{transfer}")
    await asyncio.to_thread(_remember, store, event.kind, transfer)
    found = {what: number for what, number in removed.items() if number}
    log.info("removed by a policy", transfer=transfer, policy=event.kind, **found)
    return [answer(event, removed=found, study=study)]


def _remember(store: Store, kind: str, transfer: str) -> None:
    for tree in TREES[kind]:
        removals.keep(store, tree, transfer, now())


def _remove_files(store: Store, folder: str) -> Counter[str]:
    """The files that the manifests name, but not the manifests."""
    removed = Counter[str]()
    for path in (store / folder).glob("*/*.dcm"):
        size = path.stat().st_size
        path.unlink(missing_ok=True)
        removed += Counter({"files": 1, "bytes": size})
    return removed


def _remove(store: Store, folder: str) -> Counter[str]:
    removed = Counter[str]()
    for path in (store / folder).rglob("*"):
        if path.is_file():
            removed += Counter({"files": 1, "bytes": path.stat().st_size})
    shutil.rmtree(store / folder, ignore_errors=True)
    return removed
