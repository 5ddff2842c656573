"""Processes: what one item does to its process is that item's fate alone."""

import errno
import faulthandler
import gc
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deidentification.processes import Blamed, Broken, Limits, Lost, Processes, _context

Fate = tuple[int, str]


class Fated:
    """A task whose items say what they do; it counts whom it answered."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.answered = 0

    def __call__(self, items: Iterator[Fate]) -> Iterator[int]:
        for number, fate in items:
            if fate == "segfault":
                faulthandler.disable()
                os.kill(os.getpid(), signal.SIGSEGV)
            elif fate == "segfault once" and self.folder and not (self.folder / "once").exists():
                (self.folder / "once").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            elif fate == "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                time.sleep(60)
            elif fate == "fill":
                bytearray(600_000_000)
            elif fate == "bug":
                raise TypeError("a value that nobody may see")
            elif fate == "blame":
                raise Blamed("own-rule", "own reason")
            elif fate == "disk":
                raise OSError(errno.ENOSPC, "no space")
            elif fate == "slow":
                time.sleep(0.3)
            self.answered += 1
            yield number

    def harvest(self) -> int:
        answered, self.answered = self.answered, 0
        return answered


class Unwilling:
    """A task that cannot even be unpickled where it should run."""

    def __init__(self) -> None:
        self.parent = os.getpid()

    def __setstate__(self, state: dict[str, int]) -> None:
        if state["parent"] != os.getpid():
            os._exit(3)

    def __call__(self, items: Iterator[Fate]) -> Iterator[int]:
        return (number for number, _ in items)

    def harvest(self) -> None:
        """Nothing."""


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Its living processes that are ours: spawned, or forked and so called what it is called itself."""
    mine = _command(process)
    return [child for child in process.children() if (said := _command(child)) == mine or "spawn_main" in said]


def _command(process: psutil.Process) -> str:
    """What it runs; one that has ended runs nothing."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def fates(*listed: str) -> list[Fate]:
    return list(enumerate(listed))


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes(2, Limits(seconds=4, megabytes=500), fork=True)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("fate", "rule", "said"),
    [
        ("segfault", "crashed", "SIGSEGV"),
        ("hang", "timeout", "4 seconds"),
        ("fill", "memory", "memory"),
        ("bug", "crashed", "TypeError"),
        ("blame", "own-rule", "own reason"),
    ],
)
def test_the_guilty_one_is_lost_and_its_neighbours_are_answered(
    processes: Processes, fate: str, rule: str, said: str
) -> None:
    batches = [fates("", "", fate, "", ""), fates("", "slow", "")]
    (hit, other) = (future.result(30) for future in processes.run(Fated(), batches))
    assert [answer if isinstance(answer, int) else answer.rule for answer in hit.answers] == [0, 1, rule, 3, 4]
    lost = hit.answers[2]
    assert isinstance(lost, Lost)
    assert said in lost.reason
    assert "nobody may see" not in lost.reason
    assert sum(hit.harvests) == 4
    assert other.answers == [0, 1, 2]


def test_several_guilty_ones_of_one_batch(processes: Processes) -> None:
    batch = fates("segfault", "", "bug", "segfault", "", "blame")
    (future,) = processes.run(Fated(), [batch])
    settled = future.result(60)
    assert [isinstance(answer, Lost) for answer in settled.answers] == [True, False, True, True, False, True]


def test_who_was_only_in_hand_when_its_process_was_killed_is_answered(processes: Processes, tmp_path: Path) -> None:
    """The system's killer picks by size, not by guilt: alone in a fresh process the item shows whether it was it."""
    (future,) = processes.run(Fated(tmp_path), [fates("", "segfault once", "")])
    assert future.result(30).answers == [0, 1, 2]


def test_a_process_that_dies_idle_is_nobodys_fault(processes: Processes) -> None:
    for child in children_of(psutil.Process()):
        child.kill()
    (future,) = processes.run(Fated(), [fates("", "")])
    assert future.result(30).answers == [0, 1]


def test_the_worlds_errors_are_raised(processes: Processes) -> None:
    (future,) = processes.run(Fated(), [fates("", "disk", "")])
    with pytest.raises(OSError) as caught:
        future.result(30)
    assert caught.value.errno == errno.ENOSPC


def test_a_task_under_which_no_process_lives_is_given_up(processes: Processes) -> None:
    (future,) = processes.run(Unwilling(), [fates("")])
    with pytest.raises(Broken):
        future.result(60)


def test_answers_come_in_order_from_many_batches(processes: Processes) -> None:
    batches = [[(start + offset, "") for offset in range(5)] for start in range(0, 100, 5)]
    answers = [answer for future in processes.run(Fated(), batches) for answer in future.result(30).answers]
    assert answers == list(range(100))


def test_a_close_ends_what_is_running() -> None:
    processes = Processes(1, Limits(seconds=60), fork=True)
    (future,) = processes.run(Fated(), [fates("hang")])
    time.sleep(0.3)
    started = time.monotonic()
    processes.close()
    assert time.monotonic() - started < 30, "what hangs does so for a minute"
    assert future.cancelled() or future.exception(30) is not None
    gc.collect()
    assert not children_of(psutil.Process())


def test_a_process_is_not_forked_beside_threads_that_it_would_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.active_count", lambda: 1)
    monkeypatch.setattr("deidentification.processes.THREADED", ())
    assert _context(fork=True).get_start_method() == "fork"
    assert _context(fork=False).get_start_method() == "spawn"
    monkeypatch.setattr("deidentification.processes.THREADED", ("threading",))
    assert _context(fork=True).get_start_method() == "spawn"


def test_a_crash_leaves_no_core_and_no_child_outlives_its_parent() -> None:
    """A core file would hold what must not leave; a parent that is killed takes its processes along."""
    ready, written = os.pipe()
    if (pid := os.fork()) == 0:
        for future in Processes(2, Limits(), fork=True).run(Fated(), [fates("slow"), fates("slow")]):
            future.result()
        os.write(written, b".")
        time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    children = children_of(psutil.Process(pid))
    assert children, "one, where the first was through before the second was needed"
    assert {child.rlimit(psutil.RLIMIT_CORE) for child in children} == {(0, 0)}
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not psutil.wait_procs(children, timeout=60)[1]
    os.close(ready)
    os.close(written)
