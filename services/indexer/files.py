"""Writes what people look at on disk: the links of a batch and the JSON of its series, under the study's lock."""

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.indexer import places
from services.indexer.image import Image
from services.indexer.merge import series_json
from shared.events import InstancesReceived
from shared.store import Store, sync_folder

POLL = 0.02


@asynccontextmanager
async def study_lock(store: Store, study_uid: str) -> AsyncIterator[None]:
    """Hold the study's files: among tasks, processes and machines that share the store.

    Polled, because a thread that waits could be the one that the holder needs.
    """
    folder = store / f"raw/{study_uid}"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(POLL)
        yield
    finally:
        os.close(descriptor)


def write(
    store: Store, event: InstancesReceived, images: Sequence[Image], types: Mapping[str, list[str]]
) -> None:
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
        store.write(
            f"{place}.json", json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False).encode()
        )
    for folder in folders:
        sync_folder(folder)


def _links(store: Store, images: Sequence[Image]) -> set[Path]:
    folders = set()
    participants = set()
    for image in images:
        instance = image.instance
        links = [
            f"{store.raw_series(instance.study_instance_uid, instance.series_instance_uid)}/"
            f"{instance.sop_instance_uid}"
        ]
        if report := places.report(image.fields, instance.study_instance_uid, instance.sop_instance_uid):
            links.append(report)
        for link in links:
            store.link(link, instance.path)
            folders.add((store / link).parent)
        if image.readable:
            participants.add((places.participant(image.fields), f"raw/{instance.study_instance_uid}"))
    for place, study in participants:
        store.link(places.free(store, place, study), study)
        folders.add((store / place).parent)
    return folders


def _links_in(folder: Path) -> int:
    return len(os.listdir(folder))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
