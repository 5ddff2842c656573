"""A heartbeat is de-identified like any series: read from the archive, by a built-in profile, in a worker process."""

import asyncio
from collections.abc import Sequence

from deidentification import Subject
from services.anonymizer.batch import Work
from services.anonymizer.manifests import manifest_of
from services.anonymizer.profiles import chosen
from services.anonymizer.workers import Workers, remove_strangers
from shared.database import Database
from shared.events import Event, SeriesAnonymized, TransferRequested
from shared.handlers import Retry
from shared.heartbeat import passed, source, uids
from shared.manifest import write_manifest
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
        manifest = manifest_of(folder, SUBJECT, by.profile.uids, event, done.outcomes)
        await asyncio.to_thread(
            remove_strangers, store / folder, {each.path.rpartition("/")[2] for each in manifest.instances}
        )
        await asyncio.to_thread(write_manifest, store, f"{folder}/manifest.json", manifest)
    except OSError as error:
        raise Retry(f"the store cannot be read or written ({type(error).__name__})", delay=60) from error
    handed_on = SeriesAnonymized(
        transfer=event.transfer,
        parts=event.parts,
        destinations=event.destinations,
        project=event.project,
        series_instance_uid=event.series_instance_uid,
        revision=event.revision,
        target_study_instance_uid=manifest.study_instance_uid,
        manifest=f"{folder}/manifest.json",
        instances=len(manifest.instances),
        quarantined=1 - len(manifest.instances),
        profile_version=by.version,
        profile_digest=by.digest,
        heartbeat=heartbeat,
    )
    return [handed_on, passed(heartbeat, "anonymise", len(manifest.instances))]
