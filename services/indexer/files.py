"""Writes what people look at on disk: the links of a batch and the JSON of its series, under the study's lock."""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from services.indexer import places
from services.indexer.headers.image import Image
from services.indexer.merge import series_json
from shared.events import InstancesReceived
from shared.store import Store, sync_folder

POLL = 0.02


@asynccontextmanager
async def study_lock(store: Store, study_uid: str) -> AsyncIterator[None]:
    """Hold the study's files: among tasks, processes and machines that share the store.

    Polled, because a thread that waits could be the one that the holder needs.
    """
    place = store / f"raw/{study_uid}/.lock"
    while True:
        descriptor = _open(place)
        try:
            while not _locked(descriptor):  # noqa: ASYNC110  the kernel tells nobody
                await asyncio.sleep(POLL)
            # Whoever held it before may have removed the study with its folder: then it is another file's lock.
            if not _is_there(place, descriptor):
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _open(place: Path) -> int:
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(place: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(place))
    except FileNotFoundError:
        return False


def write(store: Store, event: InstancesReceived, images: Sequence[Image], types: Mapping[str, list[str]]) -> None:
    """Make the links of catalogued images of one study and merge them into the JSON of their series."""
    folders = _links(store, images)
    series: dict[str, list[Image]] = {}
    for image in images:
        series.setdefault(image.instance.series_instance_uid, []).append(image)
    connection = {
        "IncomingConnection": {
            "AETitleCaller": event.calling_aet,
            "AETitleCalled": event.called_aet,
            "CallerIP": event.caller_ip,
        }
    }
    for uid, members in series.items():
        place = store.raw_series(members[0].instance.study_instance_uid, uid)
        additions = [connection, *(image.fields for image in members)]
        content = series_json(_read(store / f"{place}.json"), additions, types[uid], _links_in(store / place))
        store.write(f"{place}.json", json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode())
    for folder in folders:
        sync_folder(folder)


def _links(store: Store, images: Sequence[Image]) -> set[Path]:
    """Make the links of the images; the folders that have new names in them."""
    wanted: dict[str, list[tuple[str, str]]] = {}
    participants: dict[str, str] = {}
    for image in images:
        instance = image.instance
        study, sop = instance.study_instance_uid, instance.sop_instance_uid
        wanted.setdefault(store.raw_series(study, instance.series_instance_uid), []).append((sop, instance.path))
        if report := places.report(image.fields, study, sop):
            wanted.setdefault(report.rpartition("/")[0], []).append((sop, instance.path))
        if image.readable:
            participants[places.participant(image.fields)] = f"raw/{study}"
    folders = {_link_all(store, folder, links) for folder, links in wanted.items()}
    for place, study_folder in participants.items():
        store.link(places.free(store, place, study_folder), study_folder)
        folders.add((store / place).parent)
    return folders


def _link_all(store: Store, folder: str, links: Iterable[tuple[str, str]]) -> Path:
    place = store / folder
    place.mkdir(parents=True, exist_ok=True)
    up = "../" * len(Path(folder).parts)
    # Paths as text: building thousands of Path objects would cost more than the links themselves.
    prefix = f"{place}/"
    for name, target in links:
        with suppress(FileExistsError):
            os.symlink(up + target, prefix + name)
    return place


def _links_in(folder: Path) -> int:
    return len(os.listdir(folder))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
