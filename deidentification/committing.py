"""Results become durable in groups: written back together, synced one after the other, then named.

A result has its final name only when its bytes are on disk, and is reported only when its name is, too.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Generic, TypeVar

GROUP: Final = 32
GROUP_BYTES: Final = 64 * 1024 * 1024
WAITING: Final = 4 * GROUP

Result = TypeVar("Result")


@dataclass(slots=True)
class Held(Generic[Result]):
    """A result that is whole and verified under its temporary name, not yet known to be on disk."""

    result: Result
    fd: int
    temporary: str
    final: str
    size: int
    settled: bool = False
    failure: BaseException | None = None

    def outcome(self) -> Result:
        """The result after its commit; raises what went wrong."""
        if self.failure is not None:
            raise self.failure
        return self.result


def commit(group: list[Held[Result]]) -> None:
    """fsync every file, then give it its final name, then fsync the folders; an older file of a name is replaced."""
    if len(group) > 1:
        for held in group:
            start_writing_back(held.fd)
    for held in group:
        try:
            try:
                os.fsync(held.fd)
            finally:
                os.close(held.fd)
            os.replace(held.temporary, held.final)
        except BaseException as failure:
            discard(held.temporary)
            held.failure = failure
    for folder in {os.path.dirname(held.final) for held in group if held.failure is None}:
        try:
            _sync_folder(folder)
        except OSError as failure:
            for held in group:
                if os.path.dirname(held.final) == folder:
                    held.failure = held.failure or failure


def discard(path: str) -> None:
    """Remove a temporary file, should it be there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _writing_back() -> Callable[[int], object]:
    """sync_file_range(2) with SYNC_FILE_RANGE_WRITE: one journal commit then serves the whole group. A hint only."""
    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError):
        return lambda fd: None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda fd: call(fd, 0, 0, 2)


start_writing_back: Final = _writing_back()


class Committer(Generic[Result]):
    """A thread that commits what it is given, in order, while the next results are made."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[Held[Result]] = []
        self._bytes = 0
        self._urgent = False
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)

    def __enter__(self) -> "Committer[Result]":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _: TracebackType | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def take(self, held: Held[Result]) -> None:
        """Commit `held` with the next group."""
        with self._changed:
            self._queue.append(held)
            self._bytes += held.size
            if self._full():
                self._changed.notify_all()

    def wait(self, held: Held[Result]) -> Result:
        """Its result, once it is on disk."""
        with self._changed:
            if not held.settled:
                self._urgent = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: held.settled)
        return held.outcome()

    def _full(self) -> bool:
        return len(self._queue) >= GROUP or self._bytes >= GROUP_BYTES

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._full() or self._closed or (self._urgent and self._queue))
                group, self._queue = self._queue, []
                self._bytes, self._urgent = 0, False
                if not group and self._closed:
                    return
            commit(group)
            with self._changed:
                for held in group:
                    held.settled = True
                self._changed.notify_all()
