"""Work in processes of its own: what kills its process is found and named, and everything else goes on.

Each process has a pipe to the parent and takes one batch at a time, so a death touches no other batch. The item in
hand when a process died is tried alone in a fresh one; dies that too, the item is Lost. The innocent of its batch are
done again, without blame. A process that takes too long over one item is ended by the kernel (SIGALRM), even in C.
"""

import ctypes
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any, Final, Generic, NamedTuple, TypeVar

from deidentification.worker import (
    BLAMED,
    CRASHED,
    DIED,
    DONE,
    NOBODY,
    OS_ERROR,
    TIMEOUT,
    Blamed,
    End,
    Limits,
    Message,
    Task,
    serve,
)

__all__ = ["Blamed", "Broken", "Limits", "Lost", "Processes", "Settled", "Task"]

Item = TypeVar("Item")
Given = TypeVar("Given")

DEATHS: Final = 3
# What starts threads of its own: a forked child would wait for threads that it does not have.
THREADED: Final = ("cv2", "onnxruntime")


@dataclass(frozen=True)
class Lost:
    """An item that cannot be done here: `rule` is crashed, timeout, memory, or what the task blamed it for."""

    rule: str
    reason: str


class Broken(Exception):
    """Processes die before they do anything."""


class Settled(NamedTuple, Generic[Given]):
    """A batch that is done: one answer or Lost per item, and the harvests beside them."""

    answers: list[Given | Lost]
    harvests: list[Any]


class Processes:
    """`count` processes under `limits`; `fork` starts them at once where that is safe, otherwise they are spawned."""

    def __init__(self, count: int, limits: Limits, fork: bool = False) -> None:
        self._handles = [_Handle(limits, _context(fork)) for _ in range(count)]
        self._free: queue.SimpleQueue[_Handle] = queue.SimpleQueue()
        for handle in self._handles:
            self._free.put(handle)
        self._threads = ThreadPoolExecutor(count, "process")

    def run(self, task: Task[Item, Given], batches: Iterable[Sequence[Item]]) -> list[Future[Settled[Given]]]:
        """Have every batch done. A future raises OSError when its task does, Broken when processes cannot live."""
        packed = pickle.dumps(task)
        return [self._threads.submit(self._one, packed, batch) for batch in batches]

    def _one(self, packed: bytes, batch: Sequence[Any]) -> Settled[Any]:
        handle = self._free.get()
        try:
            settled = Settled[Any]([], [])
            handle.settle(packed, batch, settled)
            return settled
        finally:
            self._free.put(handle)

    def close(self) -> None:
        """End the processes, whatever they are at."""
        for handle in self._handles:
            handle.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for handle in self._handles:
            handle.release()


class _Handle:
    """One process at a time, started anew when it died."""

    def __init__(self, limits: Limits, context: BaseContext) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._closed = False
        self._deaths = 0
        self._start(context)

    def _start(self, context: BaseContext) -> None:
        self._current = context.RawValue(ctypes.c_long, NOBODY)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(  # type: ignore[attr-defined]
            target=serve, args=(theirs, self._current, self._limits), name="deidentify", daemon=True
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of forking beside a library's threads; `_context` knows which ones matter.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()

    def _renew(self) -> None:
        """A fresh process in the place of the present one; spawned, as threads run by now."""
        with self._lock:
            if self._closed:
                raise CancelledError
            self._end()
            self._start(multiprocessing.get_context("spawn"))

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self.release()

    def close(self) -> None:
        """Kill the process; what it is at is lost."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._process.kill()
                self._process.join()

    def release(self) -> None:
        """Give back what a closed handle holds of the system."""
        self._process.close()
        self._pipe.close()

    def settle(self, packed: bytes, items: Sequence[Any], settled: Settled[Any]) -> None:
        """Answer every item, in order, into `settled`."""
        before = len(settled.answers)
        end = self._ask(packed, items, settled)
        if end.kind == DONE:
            self._deaths = 0
            return None
        if end.kind == OS_ERROR:
            raise OSError(end.errno, os.strerror(end.errno))
        answered, suspect = len(settled.answers) - before, self._current.value
        if end.kind == DIED:
            self._renew()
        if suspect < answered:
            self._deaths += 1
            if self._deaths > DEATHS:
                raise Broken("processes die before they do anything")
            return self.settle(packed, items[answered:], settled)
        self._deaths = 0
        self.settle(packed, items[answered:suspect], settled)
        # A fresh process tells whether the item alone is enough; time was measured for it alone already.
        if end.kind == BLAMED or end.rule == TIMEOUT or len(items) == 1:
            settled.answers.append(Lost(end.rule, end.reason))
        else:
            self.settle(packed, items[suspect : suspect + 1], settled)
        return self.settle(packed, items[suspect + 1 :], settled)

    def _ask(self, packed: bytes, items: Sequence[Any], settled: Settled[Any]) -> End:
        """Give the items to the process and take what it answers; how it ended."""
        if not items:
            return End(DONE)
        self._current.value = NOBODY
        try:
            self._pipe.send((packed, items))
            while True:
                message: Message = self._pipe.recv()
                settled.answers.extend(message.answers)
                if message.harvest:
                    settled.harvests.append(message.harvest)
                if message.end is not None:
                    return message.end
        except (EOFError, OSError):
            if self._closed:
                raise CancelledError from None
            self._process.join()
            return _died(self._process.exitcode or 0, self._limits)


def _died(exitcode: int, limits: Limits) -> End:
    """Why a process is gone, by its exit code."""
    if exitcode == -signal.SIGALRM:
        return End(DIED, TIMEOUT, f"it took longer than {limits.seconds:g} seconds")
    how = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"exit code {exitcode}"
    return End(DIED, CRASHED, f"its process died over it ({how})")


def _context(fork: bool) -> BaseContext:
    """Fork costs nothing; it is safe where nothing runs in threads that the child would miss."""
    safe = sys.platform == "linux" and threading.active_count() == 1 and sys.modules.keys().isdisjoint(THREADED)
    return multiprocessing.get_context("fork" if fork and safe else "spawn")
