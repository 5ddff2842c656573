"""What the archive holds and the catalogue does not know: read again as if it had just been received.

That is what a database restored from a backup has not heard of, and what a broker that lost its data had still to tell.
A file that a journal still owes (it has a second name there) is on its way already.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from mmap import ACCESS_READ, mmap

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Database
from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta
from shared.events import AssociationClosed, Event, InstancesReceived, ReceivedInstance
from shared.heartbeat import was_one
from shared.journal.judge import judge_dataset
from shared.journal.outcome import Outcome
from shared.store import Store, valid_uid
from shared.tables import Instance, InstanceConflict

FOLDER = "scp_"
CONFLICT = ".conflict.dcm"
BATCH = 500
"""Instances per event."""
_NAMESPACE = uuid.UUID("5b1f6f0e-52a8-5d7b-9c39-4c9f2b8f1a77")


@dataclass(frozen=True)
class Found:
    """One study's files that nobody knows, as events that make them known; `unreadable` are no DICOM any more."""

    study_instance_uid: str
    events: tuple[Event, ...]
    instances: int
    unreadable: tuple[str, ...] = ()


async def unknown(database: Database, store: Store, studies: Collection[str] | None = None) -> AsyncIterator[Found]:
    """Study by study (all of them, or those named) what the catalogue lacks.

    OSError when the archive cannot be read.
    """
    for study in await asyncio.to_thread(archived_studies, store) if studies is None else studies:
        files = await asyncio.to_thread(_settled_files, store, study)
        if not files:
            continue
        async with database.reading() as session:
            known = await _known(session, study)
        here = {path for path, gone in known.items() if gone is None}
        left = {path: gone for path, gone in known.items() if gone is not None and path in files}
        again = await asyncio.to_thread(_written_since, store, left)
        if missing := sorted(files - here - (left.keys() - again)):
            yield await asyncio.to_thread(announced, store, study, missing)


def archived_studies(store: Store) -> list[str]:
    """The StudyInstanceUIDs that the archive has a folder of."""
    root = store / "archive"
    names = (path.name.removeprefix(FOLDER) for path in root.glob(f"{FOLDER}*")) if root.is_dir() else ()
    return sorted(filter(valid_uid, names))


def _settled_files(store: Store, study: str) -> set[str]:
    """Store-relative paths of a study's files that no journal owes."""
    folder = f"archive/{FOLDER}{study}"
    found = set()
    for path in (store / folder).glob("*.dcm"):
        try:
            if path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1:
                found.add(f"{folder}/{path.name}")
        except FileNotFoundError:
            continue  # removed just now
    return found


def _written_since(store: Store, left: Mapping[str, datetime]) -> set[str]:
    """Sent again after they had left. An older file is on its way out, or lies where something went wrong."""
    again = set()
    for path, gone in left.items():
        with suppress(FileNotFoundError):
            if (store / path).stat().st_mtime > gone.timestamp():
                again.add(path)
    return again


async def _known(session: AsyncSession, study: str) -> dict[str, datetime | None]:
    """By path, when it left the archive; None: it is there."""
    catalogued = select(Instance.path, Instance.removed_at).where(Instance.study_instance_uid == study)
    conflicts = select(InstanceConflict.path).where(InstanceConflict.study_instance_uid == study)
    rows = {row[0]: row[1] for row in await session.execute(catalogued)}
    return rows | dict.fromkeys(await session.scalars(conflicts))


def announced(store: Store, study: str, paths: Sequence[str]) -> Found:
    """What files of a study say they are, as the receiver would have said it, by who sent them, as far as they know."""
    by_sender: dict[tuple[str, str], list[ReceivedInstance]] = {}
    unreadable = []
    for path in paths:
        if (read := _read(store, path, study)) is None:
            unreadable.append(path)
        else:
            sender, instance = read
            by_sender.setdefault(sender, []).append(instance)
    events = [event for sender, members in sorted(by_sender.items()) for event in _events(sender, members)]
    number = sum(map(len, by_sender.values()))
    return Found(study, tuple(events), number, tuple(unreadable))


def _read(store: Store, path: str, study: str) -> tuple[tuple[str, str], ReceivedInstance] | None:
    """Sender and instance; None when it is no whole DICOM file, or lies where the receiver would not put it."""
    try:
        with (store / path).open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
            meta = read_meta(content)
            request = meta.sop_class_uid, meta.sop_instance_uid, meta.transfer_syntax_uid
            found = judge_dataset(content, meta.dataset, *request)
            size = len(content)
    except (OSError, Unparsable, ValueError):
        return None
    if isinstance(found, Outcome) or found.study_instance_uid != study:
        return None
    place = store.instance(study, found.sop_instance_uid)
    if path != place and not (path.startswith(place.removesuffix("dcm")) and path.endswith(CONFLICT)):
        return None
    return (meta.sending_aet, meta.receiving_aet), ReceivedInstance(
        study_instance_uid=study,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=found.sop_instance_uid,
        sop_class_uid=found.sop_class_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        path=path,
        size=size,
        conflict=path != place,
    )


def _events(sender: tuple[str, str], instances: list[ReceivedInstance]) -> Iterator[Event]:
    """As the receiver would say it of one association; found twice before it is indexed, it is the same one."""
    identity = uuid.uuid5(_NAMESPACE, "\n".join((*sender, *(each.path for each in instances))))
    for start in range(0, len(instances), BATCH):
        yield InstancesReceived(
            association=str(identity),
            calling_aet=sender[0],
            called_aet=sender[1],
            caller_ip="",
            instances=tuple(instances[start : start + BATCH]),
        )
    beat = was_one(sender[0], len(instances))
    yield AssociationClosed(association=str(identity), instances=len(instances), heartbeat=beat)
