"""A cable on loopback that can be made slow, silent or dead: what one side sends reaches the other, or does not."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

from tests.components.process import LOOPBACK, free_port

CHUNK = 16 * 1024


class Proxy:
    """Stands before a port of loopback. `rate` bytes a second and direction; None: as fast as it goes."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.rate: float | None = None
        self.passed = self.refused = self.held = 0
        """Bytes that went through, connections that were not taken, and chunks that had to wait, so far."""
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._refuses = False
        self._ended = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def slow(self, rate: float) -> None:
        """Let so many bytes through a second."""
        self.rate = rate

    def silent(self) -> None:
        """Take what comes and pass nothing on; connections stay open."""
        self._flows.clear()

    def dead(self) -> None:
        """Cut every connection, and take no new one."""
        self._refuses = True
        self.cut()

    def well(self) -> None:
        """As a good cable."""
        self.rate, self._refuses = None, False
        self._flows.set()

    def cut(self) -> int:
        """End every connection that there is; how many sockets that were."""
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            return len(self._open)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self.well()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        with client:
            if self._refuses:
                self.refused += 1
                return
            self._wait()
            try:
                server = socket.create_connection((LOOPBACK, self._target), timeout=60)
            except OSError:
                return
            with server:
                server.settimeout(None)
                with self._lock:
                    self._open |= {client, server}
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
                with self._lock:
                    self._open -= {client, server}

    def _wait(self) -> None:
        """Until the cable carries something."""
        self.held += not self._flows.is_set()
        self._flows.wait()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                self._wait()
                if self.rate:
                    time.sleep(len(data) / self.rate)
                target.sendall(data)
                self.passed += len(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
