"""The gateway as one subprocess on its embedded defaults; ended whatever happens here."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.client import Client
from cli.failure import Failure

READY_SECONDS = 180
STOP_SECONDS = 30
HOST = "127.0.0.1"
ADMINISTRATOR = "admin"


class GatewayFailed(Exception):
    """The gateway did not start, or has ended."""


@dataclass(frozen=True)
class Ports:
    """Where it listens, on loopback."""

    http: int
    dicom: int

    @classmethod
    def from_environment(cls) -> "Ports":
        """FIONA_API_PORT and FIONA_RECEIVER_PORT, or the defaults."""
        return cls(int(os.environ.get("FIONA_API_PORT") or 8080), int(os.environ.get("FIONA_RECEIVER_PORT") or 11112))

    def check(self) -> None:
        """GatewayFailed says which one is taken."""
        for port, variable in ((self.http, "FIONA_API_PORT"), (self.dicom, "FIONA_RECEIVER_PORT")):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as error:
                    raise GatewayFailed(
                        f"port {port} is taken: stop what listens there, or set {variable} to a free one"
                    ) from error


@dataclass
class Gateway:
    """A running one."""

    ports: Ports
    log: Path
    process: "subprocess.Popen[bytes]"
    token_file: Path

    @property
    def url(self) -> str:
        """Its REST interface."""
        return f"http://{HOST}:{self.ports.http}"

    @property
    def token(self) -> str:
        """What the first administrator may be asked as."""
        return self.token_file.read_text("utf-8").strip()

    @property
    def password_file(self) -> Path:
        """What the first administrator signs in with."""
        return self.token_file.with_name(f"{ADMINISTRATOR}.password")

    def check(self) -> None:
        """GatewayFailed when it has ended."""
        code = self.process.poll()
        if code is not None:
            raise GatewayFailed(f"the gateway has ended (exit code {code}); its log is {self.log}\n{self._tail()}")

    def wait_until_ready(self) -> None:
        """GatewayFailed when it takes too long."""
        until = time.monotonic() + READY_SECONDS
        with Client(self.url) as client:
            while time.monotonic() < until:
                self.check()
                with suppress(Failure):
                    if client.ready()[0]:
                        return
                time.sleep(0.2)
        raise GatewayFailed(f"the gateway is not ready after {READY_SECONDS} s; its log is {self.log}\n{self._tail()}")

    def let_in(self, environment: Mapping[str, str]) -> None:
        """Make the first administrator, or a new token when the one of the last time is good for nothing any more."""
        if self.token_file.exists() and self._good():
            return
        files = ["--password-file", str(self.password_file), "--token-file", str(self.token_file)]
        done = subprocess.run(  # noqa: S603  our own interpreter, no shell
            [sys.executable, "-m", "services.api.people", ADMINISTRATOR, "--everything", "--recover", *files],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise GatewayFailed(f"no administrator could be made: {done.stderr.strip()}")

    def _good(self) -> bool:
        with suppress(Failure), Client(self.url, token=self.token) as client:
            return bool(client.get("/session"))
        return False

    def _tail(self) -> str:
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-8:])


@contextmanager
def running(data: Path, ports: Ports, environment: Mapping[str, str]) -> Iterator[Gateway]:
    """A gateway on a store; its log lies beside it."""
    ports.check()
    log = data.with_name(f"{data.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**environment, "FIONA_DATA": str(data.absolute()), "PYTHONPATH": os.pathsep.join(sys.path)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        gateway = Gateway(ports, log, process, data / f"{ADMINISTRATOR}.token")
        gateway.wait_until_ready()
        gateway.let_in(environment)
        yield gateway
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, patience, and then SIGKILL for it and its workers."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
