"""De-identification in processes of its own: off the event loop and on all cores."""

import asyncio
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path

from services.anonymizer.batch import Outcome, Work, deidentify_batch, follow_parent, warm_up
from shared.handlers import Retry


class Workers:
    """A pool of processes, made anew when one of them dies."""

    def __init__(self, count: int, batch: int) -> None:
        self._count = count
        self._batch = batch
        self._pool = self._open()

    def _open(self) -> ProcessPoolExecutor:
        """The processes, started now so that the first series does not wait for them."""
        pool = ProcessPoolExecutor(
            self._count, mp_context=multiprocessing.get_context("spawn"), initializer=follow_parent
        )
        for _ in range(self._count):
            pool.submit(warm_up)
        return pool

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


def _batches(sources: Sequence[tuple[str, Path]], size: int) -> Iterable[tuple[tuple[str, Path], ...]]:
    return (tuple(sources[start : start + size]) for start in range(0, len(sources), size))


def remove_strangers(folder: Path, kept: set[str]) -> None:
    """Remove what an interrupted run left in a folder beside the files that count."""
    for path in folder.glob("*"):
        if path.name not in kept:
            with suppress(FileNotFoundError):
                path.unlink()
