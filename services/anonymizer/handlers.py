"""What the anonymizer does when a transfer is asked for."""

import errno
from collections.abc import Sequence

from prometheus_client import Counter, Histogram
from sqlalchemy import select

from deidentification import BUILT_IN, Subject
from services.anonymizer.batch import Outcome, Work
from services.anonymizer.workers import Workers, remove_strangers
from shared.crypto import Vault
from shared.database import Database, insert_new
from shared.events import Event, SeriesAnonymized, TransferFailed, TransferRequested
from shared.handlers import Handlers, Retry
from shared.log import logger
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store
from shared.tables import Instance, Project, QuarantinedInstance

handlers = Handlers()
log = logger("anonymizer")
INSTANCES = Counter("fiona_anonymizer_instances_total", "Instances by what became of them", ["outcome"])
SECONDS = Histogram("fiona_anonymizer_series_seconds", "Time to de-identify a part of a transfer")
FULL = (errno.ENOSPC, errno.EDQUOT)


@handlers.on(TransferRequested)
async def anonymize(
    event: TransferRequested, database: Database, store: Store, vault: Vault, workers: Workers
) -> Sequence[Event]:
    """De-identify one series for one project; every instance is written or quarantined, and both are counted."""
    async with database.reading() as session:
        project = await session.get(Project, event.project)
        instances = (
            await session.scalars(
                select(Instance)
                .where(Instance.series_instance_uid == event.series_instance_uid, Instance.revision == event.revision)
                .order_by(Instance.sop_instance_uid)
            )
        ).all()
    if project is None or event.profile not in BUILT_IN:
        what = "project" if project is None else "profile"
        return [TransferFailed(transfer=event.transfer, reason=f"there is no such {what}", refused=0)]
    if len(instances) != event.instances:
        raise Retry(f"catalogue has {len(instances)} instances of {event.instances}")
    try:
        subject = Subject(event.project, event.participant, event.event, vault.decrypt_bytes(project.encrypted_key))
    except ValueError as error:
        return [TransferFailed(transfer=event.transfer, reason=str(error), refused=0)]
    folder = store.anonymized(event.transfer, event.series_instance_uid, event.revision)
    sources = tuple((instance.sop_instance_uid, store / instance.path) for instance in instances)
    try:
        with SECONDS.time():
            outcomes = await workers.run(Work(sources, store / folder, subject, BUILT_IN[event.profile]))
        manifest = _write_manifest(store, folder, subject, event, outcomes)
    except OSError as error:
        if error.errno in FULL:
            raise Retry("the disk is full", delay=60) from error
        raise
    quarantined = await _quarantine(database, event, outcomes)
    passed = len(outcomes) - quarantined
    INSTANCES.labels("deidentified").inc(passed)
    INSTANCES.labels("quarantined").inc(quarantined)
    log.info("series de-identified", transfer=event.transfer, instances=passed, quarantined=quarantined)
    return [
        SeriesAnonymized(
            transfer=event.transfer,
            parts=event.parts,
            destinations=event.destinations,
            project=event.project,
            series_instance_uid=event.series_instance_uid,
            revision=event.revision,
            target_study_instance_uid=subject.new_uid(event.study_instance_uid),
            manifest=manifest,
            instances=passed,
            quarantined=quarantined,
        )
    ]


def _write_manifest(
    store: Store, folder: str, subject: Subject, event: TransferRequested, outcomes: Sequence[Outcome]
) -> str:
    """Say which files count; whatever else an interrupted run left in the folder goes."""
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    manifest = Manifest(
        study_instance_uid=subject.new_uid(event.study_instance_uid),
        series_instance_uid=subject.new_uid(event.series_instance_uid),
        instances=tuple(
            ManifestInstance(
                path=f"{folder}/{result.path}",
                sop_instance_uid=result.sop_instance_uid,
                sop_class_uid=result.sop_class_uid,
                transfer_syntax_uid=result.transfer_syntax_uid,
                size=result.size,
            )
            for result in results
        ),
    )
    path = f"{folder}/manifest.json"
    remove_strangers(store / folder, {str(result.path) for result in results} | {"manifest.json"})
    write_manifest(store, path, manifest)
    return path


async def _quarantine(database: Database, event: TransferRequested, outcomes: Sequence[Outcome]) -> int:
    """Keep the reason of each instance that stays; how many there are."""
    rows = [
        {
            "transfer": event.transfer,
            "sop_instance_uid": outcome.sop_instance_uid,
            "series_instance_uid": event.series_instance_uid,
            "revision": event.revision,
            "project": event.project,
            "reason": outcome.reason[:300],
            "where": outcome.where[:300],
        }
        for outcome in outcomes
        if outcome.result is None
    ]
    async with database.session() as session:
        await insert_new(session, QuarantinedInstance, rows)
    return len(rows)
