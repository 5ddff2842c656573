"""What the anonymizer does when a transfer is asked for."""

import asyncio
from collections import Counter as Counts
from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from deidentification import Subject
from services.anonymizer.asked import asked_for, in_quarantine
from services.anonymizer.batch import Outcome, Work
from services.anonymizer.findings import write_findings
from services.anonymizer.heartbeat import pass_on
from services.anonymizer.kept import count_part
from services.anonymizer.leftovers import remove_part
from services.anonymizer.manifests import handed_on, manifest_of, put
from services.anonymizer.profiles import NoProfile, chosen
from services.anonymizer.removal import remove_transfer
from services.anonymizer.retention import KINDS, expire
from services.anonymizer.returned import pseudonyms_of
from services.anonymizer.workers import Done, Workers
from shared.crypto import Vault
from shared.database import Database, insert_new, lock
from shared.events import (
    Event,
    RemovalAnswered,
    RemovalRequested,
    RetentionApplied,
    RetentionEnded,
    TransferFailed,
    TransferRequested,
    WithdrawalCompleted,
)
from shared.handlers import Handlers, Retry
from shared.log import logger
from shared.manifest import Manifest
from shared.store import Store
from shared.switchable import Switch
from shared.tables import Project, QuarantinedInstance
from shared.transfers import those_that_left, wanted
from shared.volume import FULL

handlers = Handlers()
log = logger("anonymizer")
INSTANCES = Counter("fiona_anonymizer_instances_total", "Instances by what became of them", ["outcome"])
SECONDS = Histogram(
    "fiona_anonymizer_series_seconds",
    "Time to de-identify a part of a transfer",
    buckets=(0.05, 0.2, 1, 5, 15, 60, 180, 600, 1800),
)


@handlers.on(TransferRequested, Switch.ANONYMISE)
async def anonymize(
    event: TransferRequested, database: Database, store: Store, vault: Vault, workers: Workers
) -> Sequence[Event]:
    """De-identify one series for one project; each instance is written, left out or quarantined, and all is counted."""
    if event.heartbeat is not None:
        return await pass_on(event, event.heartbeat, database, store, workers)
    try:
        async with database.reading() as session:
            if not await wanted(session, event.transfer):
                await asyncio.to_thread(remove_part, store, event)
                return []
            project = await session.get(Project, event.project)
            asked = await asked_for(session, event)
            stays = await in_quarantine(session, event)
            by = await chosen(session, event)
    except NoProfile as error:
        return [_failed(event, str(error))]
    if project is None:
        return [_failed(event, "there is no such project")]
    if len(asked.instances) != event.instances:
        raise Retry(f"catalogue has {len(asked.instances)} instances of {event.instances}")
    if asked.gone:
        return [_failed(event, f"{asked.gone} of {event.instances} files have left the archive: send the study again")]
    try:
        subject = Subject(event.project, event.participant, event.event, vault.decrypt_bytes(project.encrypted_key))
    except ValueError as error:
        return [_failed(event, str(error))]
    folder = store.anonymized(event.transfer, event.series_instance_uid, event.revision)
    pseudonyms = await pseudonyms_of(event, database, store, subject, by.profile)
    sent_before = sum(uid in pseudonyms - stays for uid, _ in asked.instances)
    sources = tuple((uid, store / path) for uid, path in asked.instances if uid not in stays | pseudonyms)
    try:
        with SECONDS.time():
            done = await workers.run(Work(sources, store / folder, subject, by.profile, asked.released, pseudonyms))
        manifest = manifest_of(folder, subject, by.profile, event, done.outcomes, done.given, pseudonyms)
        await asyncio.to_thread(_write, store, vault, folder, event, manifest, done.outcomes)
    except OSError as error:
        if error.errno in FULL:
            raise Retry("the disk is full", delay=60) from error
        raise
    kept = await _keep(database, event, done)
    if kept is None:
        await asyncio.to_thread(remove_part, store, event)
        return []
    quarantined = len(stays) + kept
    left_out = sum(outcome.left_out for outcome in done.outcomes) + sent_before
    passed = len(manifest.instances)
    for outcome, number in (("deidentified", passed), ("quarantined", quarantined), ("left out", left_out)):
        INSTANCES.labels(outcome).inc(number)
    log.info(
        "series de-identified",
        transfer=event.transfer,
        instances=passed,
        quarantined=quarantined,
        left_out=left_out,
        sent_before=sent_before,
        pseudonyms_stayed=done.stayed,
    )
    return [handed_on(event, folder, manifest, by, quarantined=quarantined, left_out=left_out)]


def _failed(event: TransferRequested, reason: str) -> TransferFailed:
    return TransferFailed(transfer=event.transfer, reason=reason, refused=0)


def _write(
    store: Store,
    vault: Vault,
    folder: str,
    event: TransferRequested,
    manifest: Manifest,
    outcomes: Sequence[Outcome],
) -> None:
    """Findings and manifest; whatever else an interrupted run left in the folder goes."""
    found = {
        outcome.result.sop_instance_uid: outcome.findings
        for outcome in outcomes
        if outcome.result is not None and outcome.findings is not None
    }
    write_findings(store, vault, event, found)
    put(store, folder, manifest)


async def _keep(database: Database, event: TransferRequested, done: Done) -> int | None:
    """Note what is left in what passes, and the reason of each instance that stays; how many those are.

    None, and nothing is noted, when the transfer was stopped meanwhile.
    """
    rows = [
        {
            "transfer": event.transfer,
            "sop_instance_uid": outcome.sop_instance_uid,
            "series_instance_uid": event.series_instance_uid,
            "revision": event.revision,
            "project": event.project,
            "rule": outcome.rule[:40],
            "reason": outcome.reason[:300],
            "where": outcome.where[:300],
        }
        for outcome in done.outcomes
        if outcome.result is None and not outcome.left_out
    ]
    async with database.session() as session:
        await lock(session, "anonymized", event.transfer)
        if not await wanted(session, event.transfer):
            return None
        await count_part(session, event, done.kept)
        await insert_new(session, QuarantinedInstance, rows)
    return len(rows)


@handlers.on(RemovalRequested)
async def remove(event: RemovalRequested, database: Database, store: Store) -> list[RemovalAnswered]:
    """Consent was withdrawn: files, findings, quarantine and counts of the participant go.

    Of what somebody has still to remove at a destination that which was sent stays: the manifests say what it is.
    """
    async with database.reading() as session:
        have_left = await those_that_left(session, event.transfers)
    removed, left = Counts[str](), Counts[str]()
    for transfer in event.transfers:
        gone, stays = await remove_transfer(event.project, transfer, database, store, sent=transfer in have_left)
        removed += gone
        left += stays
    return [RemovalAnswered(withdrawal=event.withdrawal, service="anonymizer", removed=dict(removed), left=dict(left))]


@handlers.on(RetentionEnded)
async def retire(event: RetentionEnded, database: Database, store: Store) -> list[RetentionApplied]:
    """The time of a transfer's files is over."""
    return await expire(event, database, store) if event.kind in KINDS else []


@handlers.on(WithdrawalCompleted)
async def withdrawn(event: WithdrawalCompleted, database: Database, store: Store) -> None:
    """What was sent has left its destinations, and leaves here."""
    for transfer in event.transfers:
        await remove_transfer(event.project, transfer, database, store)
