"""De-identification in processes of its own: off the event loop, on all cores, and gone when we are gone."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from services.anonymizer.engine import CannotDeidentify, Deidentified, Names, Profile, Subject, deidentify
from shared.handlers import Retry


@dataclass(frozen=True)
class Outcome:
    """What became of one instance: a result, or the reason why it stays here."""

    sop_instance_uid: str
    result: Deidentified | None = None
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class Work:
    """Instances (SOP Instance UID, absolute path) of one series that become files in one folder."""

    sources: tuple[tuple[str, Path], ...]
    target: Path
    subject: Subject
    profile: Profile


class Workers:
    """A pool of processes, made anew when one of them dies."""

    def __init__(self, count: int, batch: int) -> None:
        self._count = count
        self._batch = batch
        self._pool = self._open()

    def _open(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._count, mp_context=multiprocessing.get_context("spawn"), initializer=follow_parent
        )

    async def run(self, work: Work) -> list[Outcome]:
        """Do the work; Retry when a process died over it."""
        loop = asyncio.get_running_loop()
        batches = [
            Work(sources, work.target, work.subject, work.profile) for sources in _batches(work.sources, self._batch)
        ]
        pool = self._pool
        try:
            done = await asyncio.gather(*(loop.run_in_executor(pool, deidentify_batch, batch) for batch in batches))
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = self._open()
            pool.shutdown(wait=False, cancel_futures=True)
            raise Retry("a de-identifying process died") from error
        return [outcome for outcomes in done for outcome in outcomes]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def _batches(sources: Sequence[tuple[str, Path]], size: int) -> Iterable[tuple[tuple[str, Path], ...]]:
    return (tuple(sources[start : start + size]) for start in range(0, len(sources), size))


def deidentify_batch(work: Work) -> list[Outcome]:
    """In a worker: one after the other; what an instance does to the engine stays with that instance."""
    return [_one(sop_instance_uid, path, work) for sop_instance_uid, path in work.sources]


def _one(sop_instance_uid: str, path: Path, work: Work) -> Outcome:
    if not path.exists():
        return Outcome(sop_instance_uid, reason="the file is gone from the archive [missing]")
    try:
        return Outcome(sop_instance_uid, deidentify(path, work.target, work.subject, work.profile, by_instance))
    except CannotDeidentify as refusal:
        return Outcome(sop_instance_uid, reason=f"{refusal.reason} [{refusal.rule}]", where=refusal.where)


def by_instance(names: Names) -> PurePath:
    """`<new SOPInstanceUID>.dcm`: the folder is the series."""
    return PurePath(f"{names.sop_instance_uid}.dcm")


def remove_strangers(folder: Path, kept: set[str]) -> None:
    """Remove what an interrupted run left in a folder beside the files that count."""
    for path in folder.glob("*"):
        if path.name not in kept:
            with suppress(FileNotFoundError):
                path.unlink()
