"""One part to one destination: send what has no answer yet, keep every answer, and say when all are in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta

from services.sender import records
from services.sender.clients import Answer, Outgoing
from services.sender.destinations import Destinations, Opened
from services.sender.metrics import ANSWERS, BYTES, SECONDS
from services.sender.records import Record
from shared import tracing
from shared.database import Database
from shared.events import DeliveryRequested
from shared.handlers import Reject, Retry
from shared.manifest import Manifest, ManifestError, read_manifest
from shared.scu.statuses import Verdict, verdict
from shared.store import Store
from shared.transfers import wanted

AGAIN = (10.0, 10.0, 60.0, 60.0, 60.0, 600.0)
"""Seconds after the n-th "later" to the same instance; the last holds for all that follow."""


class NotWanted(Exception):
    """Somebody has stopped the transfer meanwhile."""


def outgoing(store: Store, manifest: Manifest) -> list[Outgoing]:
    """The manifest's files where they lie; ValueError when one would lie outside of the store."""
    return [
        Outgoing(
            file=store / each.path,
            study_instance_uid=manifest.study_instance_uid,
            series_instance_uid=manifest.series_instance_uid,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class_uid,
            transfer_syntax_uid=each.transfer_syntax_uid,
            size=each.size,
        )
        for each in manifest.instances
    ]


def unanswered(instances: Sequence[Outgoing], answers: Mapping[str, Record], patience: timedelta) -> list[Outgoing]:
    """What is still to be sent; what was tried before comes last, so that it cannot hold up the rest."""
    waiting = [
        each
        for each in instances
        if (record := answers.get(each.sop_instance_uid)) is None or record.settled(patience) is Verdict.LATER
    ]
    return sorted(
        waiting, key=lambda each: answers[each.sop_instance_uid].tries if each.sop_instance_uid in answers else 0
    )


def manifest_of(store: Store, part: DeliveryRequested) -> Manifest:
    """The part's manifest; Reject when it and the event disagree."""
    try:
        manifest = read_manifest(store, part.manifest)
    except (ManifestError, ValueError) as error:
        raise Reject(str(error)) from error
    if len(manifest.instances) != part.instances:
        raise Reject(f"the manifest lists {len(manifest.instances)} instances, the event {part.instances}")
    if manifest.study_instance_uid != part.target_study_instance_uid:
        raise Reject("the manifest is of another study than the event")
    return manifest


async def send_part(
    part: DeliveryRequested,
    manifest: Manifest,
    database: Database,
    store: Store,
    destinations: Destinations,
    patience: timedelta,
) -> tuple[int, int]:
    """Send until every instance has an answer: how many were taken, how many refused. Retry when some wait.

    NotWanted, between two batches of answers, when the transfer was stopped.
    """
    async with database.reading() as session:
        answers = await records.read_answers(session, part)
    waiting = unanswered(outgoing(store, manifest), answers, patience)
    if waiting:
        async with destinations.open(part.destination) as opened:
            await _send(part, waiting, opened, database)
        async with database.reading() as session:
            answers = await records.read_answers(session, part)
    fates = Counter(answers[each.sop_instance_uid].settled(patience) for each in manifest.instances)
    if fates[Verdict.LATER]:
        tries = max(record.tries for record in answers.values() if record.settled(patience) is Verdict.LATER)
        why = f"{part.destination} cannot take {fates[Verdict.LATER]} of {part.instances} instances now"
        raise Retry(why, delay=AGAIN[min(tries, len(AGAIN)) - 1])
    return fates[Verdict.TAKEN], fates[Verdict.REFUSED]


async def _send(part: DeliveryRequested, waiting: Sequence[Outgoing], opened: Opened, database: Database) -> None:
    sizes = {each.sop_instance_uid: each.size for each in waiting}
    with (
        SECONDS.labels(opened.kind).time(),
        tracing.span("send", kind="client", destination=part.destination, instances=len(waiting)) as span,
    ):
        async with aclosing(opened.client.send(waiting)) as stream:
            async for answers in stream:
                async with database.session() as session:
                    go_on = await wanted(session, part.transfer)
                    if answers:
                        await records.keep_answers(session, part, answers)
                    elif go_on:
                        await records.begin(session, part)
                _measure(opened.kind, part.destination, answers, sizes, span)
                if not go_on:
                    raise NotWanted


def _measure(
    kind: str, destination: str, answers: Sequence[Answer], sizes: Mapping[str, int], span: tracing.Span
) -> None:
    counted = Counter(verdict(answer.status) for answer in answers)
    for meaning, number in counted.items():
        ANSWERS.labels(kind, meaning.value).inc(number)
        span.event(meaning.value, instances=number)
    taken = (answer for answer in answers if verdict(answer.status) is Verdict.TAKEN)
    BYTES.labels(destination).inc(sum(sizes.get(answer.sop_instance_uid, 0) for answer in taken))
