"""What a started process does: batch after batch, bounded in time and memory, until its parent is gone."""

import errno
import gc
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, Protocol, TypeVar

Item = TypeVar("Item", contravariant=True)
Answer = TypeVar("Answer", covariant=True)

NOBODY: Final = -1
FLUSH_SECONDS: Final = 0.5
CRASHED, TIMEOUT, MEMORY = "crashed", "timeout", "memory"
DONE, OS_ERROR, BLAMED, DIED = "done", "os", "blamed", "died"


@dataclass(frozen=True)
class Limits:
    """What one process may take: seconds for one item, megabytes of data for all that it holds."""

    seconds: float = 1800
    megabytes: int = 3072


class Blamed(Exception):
    """Raised by a task: the item in hand is at fault for certain, and for this."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule, reason)
        self.rule = rule
        self.reason = reason


class Task(Protocol[Item, Answer]):
    """What a process is given, pickled: one answer per item in their order, and what gathers beside the answers."""

    def __call__(self, items: Iterator[Item]) -> Iterator[Answer]:
        """Answer the items. OSError ends the whole batch; any other exception is the fault of the item in hand."""

    def harvest(self) -> object:
        """What has gathered since this was last asked; sent together with the answers it belongs to."""


class End(NamedTuple):
    """How a batch ended: kind, and the rule and reason or the errno that go with it."""

    kind: str
    rule: str = ""
    reason: str = ""
    errno: int = 0


class Message(NamedTuple):
    """What a process sends: some answers, what was gathered beside them, and the end, if this is it."""

    answers: list[Any]
    harvest: Any
    end: End | None


def serve(pipe: Connection, current: Any, limits: Limits) -> None:
    """In a process: batch after batch until the parent is gone."""
    _follow_parent()
    _limit(limits)
    # What is there by now stays: not looked through again, a forked child need not copy it.
    gc.freeze()
    while True:
        try:
            packed, items = pipe.recv()
        except (EOFError, ConnectionError):
            return
        pipe.send(_batch(pipe, packed, _watched(items, current, limits.seconds)))


def _batch(pipe: Connection, packed: bytes, items: Iterator[Any]) -> Message:
    """Answer one batch: the last message of it; earlier ones are sent on the way when it takes long."""
    answers: list[Any] = []
    task = None
    try:
        task = _unpacked(packed)
        sent = time.monotonic()
        for answer in task(items):
            answers.append(answer)
            if time.monotonic() - sent > FLUSH_SECONDS:
                pipe.send(Message(answers, task.harvest(), None))
                answers = []
                sent = time.monotonic()
        end = End(DONE)
    except OSError as problem:
        end = End(OS_ERROR, errno=problem.errno or errno.EIO)
    except MemoryError:
        # What filled this process may still be held, so the parent replaces it.
        end = End(DIED, MEMORY, "it needs more memory than a process may take")
    except Blamed as blamed:
        end = End(BLAMED, blamed.rule, blamed.reason)
    except Exception as problem:
        end = End(BLAMED, CRASHED, f"the engine failed on it ({type(problem).__name__})")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Message(answers, task.harvest() if task else None, end)


@lru_cache(maxsize=8)
def _unpacked(packed: bytes) -> Any:
    return pickle.loads(packed)  # noqa: S301  from the parent


def _watched(items: Sequence[Any], current: Any, seconds: float) -> Iterator[Any]:
    """Each item, noted as the one in hand, with its own time to live."""
    for index, item in enumerate(items):
        current.value = index
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield item
    signal.setitimer(signal.ITIMER_REAL, 0)
    current.value = NOBODY


def _limit(limits: Limits) -> None:
    """SIGALRM ends the process, memory is bounded, and a crash leaves no core: it would hold what must not leave."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wanted, (_, hard) = limits.megabytes * 1024 * 1024, resource.getrlimit(resource.RLIMIT_DATA)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
