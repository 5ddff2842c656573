"""A heartbeat is de-identified like any series: read from the archive, by a built-in profile, in a worker process."""

import asyncio
from collections.abc import Sequence

from deidentification import Subject
from services.anonymizer.batch import Work
from services.anonymizer.manifests import handed_on, manifest_of, put
from services.anonymizer.profiles import chosen
from services.anonymizer.workers import Workers
from shared.database import Database
from shared.events import Event, TransferRequested
from shared.handlers import Retry
from shared.heartbeat import passed, source, uids
from shared.store import Store

SUBJECT = Subject("heartbeat", "heartbeat", "heartbeat", bytes(32))
"""Nobody: there is nothing to keep secret about it."""


async def pass_on(
    event: TransferRequested, heartbeat: str, database: Database, store: Store, workers: Workers
) -> Sequence[Event]:
    """What is handed to the sender; nothing when the monitor has given it up and taken its file away."""
    file = store / source(heartbeat)
    if not await asyncio.to_thread(file.exists):
        return []
    async with database.reading() as session:
        by = await chosen(session, event)
    folder = store.anonymized(event.transfer, event.series_instance_uid, event.revision)
    try:
        done = await workers.run(Work(((uids(heartbeat).sop, file),), store / folder, SUBJECT, by.profile))
        manifest = manifest_of(folder, SUBJECT, by.profile, event, done.outcomes)
        await asyncio.to_thread(put, store, folder, manifest)
    except OSError as error:
        raise Retry(f"the store cannot be read or written ({type(error).__name__})", delay=60) from error
    here = len(manifest.instances)
    return [
        handed_on(event, folder, manifest, by, quarantined=1 - here, heartbeat=heartbeat),
        passed(heartbeat, "anonymise", here),
    ]
