"""A child process that cannot outlive us: its log, its whole tree, and waiting for it with a deadline."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"

# The parent-death signal comes when the forking thread ends, so that must be one that lives as long as we do.
_launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="components")
_handed_out: set[int] = set()


class ComponentError(RuntimeError):
    """A component did not start, died, or missed a deadline; the message ends with the tail of its log."""


def free_port() -> int:
    """A TCP port that the kernel says is free on every address, handed out once by this process.

    Taken from below the ephemeral range: there, no client's own port can take it while a component is down,
    and no client that retries against a dead component can end up connected to itself. Workers that share a
    test run take theirs from ranges of their own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for port in random.sample(range(10240 + worker, 32768, workers), 1000):
        if port in _handed_out:
            continue
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind(("", port))
            _handed_out.add(port)
            return port
    raise ComponentError("no free TCP port")


def accepts(port: int, host: str = LOOPBACK) -> bool:
    """Whether somebody accepts TCP connections there."""
    with suppress(OSError), closing(socket.create_connection((host, port), timeout=1)):
        return True
    return False


def wait_until(predicate: Callable[[], bool], timeout: float, what: str, every: float = 0.05) -> None:
    """Poll until true; ComponentError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise ComponentError(f"{what}: not within {timeout:g} s")
        time.sleep(every)


def _alive(process: psutil.Process) -> bool:
    # init adopts killed descendants and may take a second to reap them, but a zombie holds nothing any more.
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


class Process:
    """One running command in a session of its own, with output in a log file; SIGKILLed when we die."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        namespace: str | None = None,
    ) -> None:
        self.log = log
        wrapped = ["setpriv", "--pdeathsig=KILL"]
        if user is not None:
            wrapped += [f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups"]
        wrapped += ["--", *command]
        if namespace is not None:
            wrapped = ["ip", "netns", "exec", namespace, *wrapped]
        with log.open("ab") as output:
            self._popen = _launcher.submit(
                lambda: subprocess.Popen(
                    wrapped,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(os.environ if env is None else env),
                    cwd=cwd,
                    start_new_session=True,
                )
            ).result()

    @property
    def pid(self) -> int:
        """The process id of the command itself: setpriv replaces itself by it."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def tail(self, lines: int = 20) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self, predicate: Callable[[], bool], timeout: float) -> None:
        """Wait until it serves; ComponentError with the log's tail if it dies or is late."""

        def ready_or_dead() -> bool:
            return not self.running or predicate()

        try:
            wait_until(ready_or_dead, timeout, "start")
        except ComponentError as error:
            raise ComponentError(f"{error}\n{self.tail()}") from None
        if not self.running:
            raise ComponentError(f"died at start with status {self._popen.returncode}\n{self.tail()}")

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 60) -> None:
        """Ask it to end and wait; past the deadline kill its tree. Stragglers never stay."""
        tree = self._tree()
        if self.running:
            self._popen.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout)
        self._kill(tree)

    def kill(self) -> None:
        """SIGKILL to the process and all its descendants at once, as a power cut would."""
        # Nobody in a frozen tree can fork between being listed and being killed.
        self.pause()
        self._kill(self._tree())

    def pause(self) -> None:
        """SIGSTOP the whole tree: connections stay open and nobody answers."""
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """SIGCONT the whole tree."""
        for process in self._tree():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _tree(self) -> list[psutil.Process]:
        if not self.running:
            return []
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self.pid)
            return [top, *top.children(recursive=True)]
        return []

    def _kill(self, tree: Sequence[psutil.Process]) -> None:
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._popen.wait(60)
        wait_until(lambda: not any(map(_alive, tree)), 60, "kill", every=0.005)
