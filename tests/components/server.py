"""What every server we start has in common: start, stop, kill, pause; again on the same ports and data."""

import os
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.components.network import Network
from tests.components.process import LOOPBACK, ComponentError, Process


class Server(ABC):
    """A real server in a folder of its own; its data and its ports survive stop, kill and start."""

    name: ClassVar[str]
    start_timeout: ClassVar[float] = 300
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.user: tuple[int, int] | None = None
        self.network: Network | None = None
        self._process: Process | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What to run."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it serves."""

    def environment(self) -> dict[str, str]:
        """What it finds in its environment."""
        return dict(os.environ)

    def prepare(self) -> None:
        """Write what it needs before it starts: every time, so it must not disturb what is there."""
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def host(self) -> str:
        """Where it listens: loopback, or its own address behind a cable."""
        return LOOPBACK if self.network is None else self.network.host

    def behind(self, network: Network | None) -> Self:
        """Run it in a network namespace; before its first start."""
        self.network = network
        return self

    @property
    def log(self) -> Path:
        """The file with all that it printed."""
        return self.folder / f"{self.name}.log"

    @property
    def process(self) -> Process:
        """The running process; ComponentError when it was never started."""
        if self._process is None:
            raise ComponentError(f"{self.name} was not started")
        return self._process

    @property
    def running(self) -> bool:
        """Whether the process exists, answering or not."""
        return self._process is not None and self._process.running

    def start(self) -> Self:
        """Start it, the first time or again, and return when it serves."""
        if self.running:
            return self
        self.prepare()
        self._process = Process(
            self.command(),
            self.log,
            self.environment(),
            cwd=self.folder,
            user=self.user,
            namespace=self.network.name if self.network else None,
        )
        try:
            self._process.wait_ready(self.ready, self.start_timeout)
        except ComponentError as error:
            self.kill()
            raise ComponentError(f"{self.name}: {error}") from None
        except BaseException:
            self.kill()
            raise
        return self

    def stop(self) -> None:
        """Shut it down in good order."""
        if self._process is not None:
            self._process.resume()
            self._process.stop(self.stop_signal)

    def kill(self) -> None:
        """kill -9 of the whole tree."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> Self:
        """Stop and start."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nobody answers."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on after pause()."""
        self.process.resume()

    def ensure(self) -> Self:
        """Whatever an earlier test did to it: have it running."""
        if self.running:
            self.resume()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
