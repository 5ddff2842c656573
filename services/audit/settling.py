"""Which of the records that wait in the store become entries now, and which files have nothing more to say."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from shared.audit.record import ASKED, Record

PATIENCE = timedelta(minutes=10)
"""How long the outcome of something that was asked for may take; then it stands as unanswered, and may still come."""

_NAMESPACE = uuid.UUID("0d6d5a0e-5f0b-4b57-9c0e-3f1f4c7e2a91")

Files = Mapping[Path, Sequence[Record]]


def unanswered(record: Record) -> Record:
    """What is chained of something that was asked for and never answered: whoever did it died with it in hand."""
    identity = str(uuid.uuid5(_NAMESPACE, record.id))
    return record.model_copy(update={"id": identity, "outcome": "unanswered"})


def identities(files: Files) -> set[str]:
    """Under which ids the records of these files may stand in the chain already."""
    return {each for record in _all(files) for each in (record.id, unanswered(record).id)}


def settle(files: Files, chained: set[str], now: datetime) -> tuple[list[Record], list[Path]]:
    """The records to chain, oldest first, and the files of which all is chained; `chained`: ids that are."""
    done = [path for path, records in files.items() if all(_settled(record, chained) for record in records)]
    outcomes = {record.id for record in _all(files) if record.outcome != ASKED}
    due: dict[str, Record] = {}
    for record in _all(files):
        if _settled(record, chained):
            continue
        if record.outcome != ASKED:
            due[record.id] = record
        elif record.id not in outcomes and record.at <= now - PATIENCE:
            late = unanswered(record)
            due[late.id] = late
    return sorted(due.values(), key=lambda record: record.at), done


def _settled(record: Record, chained: set[str]) -> bool:
    return record.id in chained or (record.outcome == ASKED and unanswered(record).id in chained)


def _all(files: Files) -> Iterable[Record]:
    return (record for records in files.values() for record in records)
