"""The gateway as separate processes on real components, each of which may be killed and started again."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.components import plain
from tests.components.process import LOOPBACK, free_port, wait_until
from tests.components.server import Server
from tests.system import rest

SERVICES = ("receiver", "indexer", "router", "anonymizer", "sender", "api", "registry")
ALL = (*SERVICES, "redcap", "audit", "janitor", "monitor")
EACH_ALONE: tuple[tuple[str, ...], ...] = tuple((service,) for service in SERVICES)
ROOT = Path(__file__).parent.parent.parent


class ServiceProcess(Server):
    """`python -m services NAME…` of a checkout, with an environment; ready when its health port says so."""

    def __init__(
        self,
        names: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        before: Path | None = None,
        root: Path = ROOT,
    ) -> None:
        super().__init__(folder)
        self.name = "-".join(names)  # type: ignore[misc]
        self.names = names
        self.health_port = free_port()
        self._environment = dict(environment)
        self._path = os.pathsep.join(map(str, (before, root) if before else (root,)))
        self.wait_for_ready = True

    def command(self) -> list[str]:
        return [sys.executable, "-m", "services", *self.names]

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FIONA_")}
        return inherited | self._environment | {"FIONA_HEALTH_PORT": str(self.health_port), "PYTHONPATH": self._path}

    def change(self, settings: Mapping[str, str]) -> None:
        """Settings for its next start."""
        self._environment |= settings

    def ready(self) -> bool:
        return not self.wait_for_ready or self.serves()

    def serves(self) -> bool:
        """Whether its health page says so."""
        try:
            return plain.get(f"http://{LOOPBACK}:{self.health_port}/readyz", timeout=30).status_code == 200
        except httpx.HTTPError:
            return False


class Gateway:
    """All services, one process each (or as grouped), on the given bus and database.

    They import what is in the folder `before` in preference to everything else.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        groups: tuple[tuple[str, ...], ...] = EACH_ALONE,
        before: Path | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._verify = verify
        self.data = folder / "data"
        self.dicom_port, self.api_port = free_port(), free_port()
        settings = {
            "FIONA_DATA": str(self.data),
            "FIONA_RECEIVER_PORT": str(self.dicom_port),
            "FIONA_API_PORT": str(self.api_port),
            "FIONA_INDEXER_QUIET_SECONDS": "2",
            "FIONA_INDEXER_QUIET_AGREED_SECONDS": "1",
            "FIONA_BUS_RETRY_SECONDS": "[1, 2, 5, 10, 30]",
            # The broker's virtual host is as new as the test, and nobody kills it within the first seconds.
            "FIONA_BUS_SETTLING_SECONDS": "0",
            **(environment or {}),
        }
        self.settings = settings
        self._token_file = folder / "token"
        self.processes = {names[0]: ServiceProcess(names, folder / names[0], settings, before) for names in groups}

    def change(self, **settings: str) -> None:
        """Settings for all that starts from now on."""
        self.settings |= settings
        for process in self.processes.values():
            process.change(settings)

    def environment(self) -> dict[str, str]:
        """What a command finds in its environment beside the services."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("FIONA_")}
        return inherited | self.settings | {"PYTHONPATH": str(ROOT)}

    def fiona(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command line, beside the services and by our token."""
        return subprocess.run(
            [sys.executable, "-m", "cli", *words],
            env=self.environment()
            | {"FIONA_API": f"http://{LOOPBACK}:{self.api_port}", "FIONA_TOKEN_FILE": str(self._token_file)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def start(self) -> None:
        """Start every process; they may start in any order, so all at once."""
        for process in self.processes.values():
            process.wait_for_ready = False
            process.start()
        wait_until(self.ready, 240, "the gateway")
        self._let_in()

    def _let_in(self) -> None:
        """Make an administrator who may everything, and a token."""
        if self._token_file.exists():
            return
        files = ["--password-file", str(self._token_file.with_name("password")), "--token-file", str(self._token_file)]
        subprocess.run(
            [sys.executable, "-m", "services.api.people", "tester", "--everything", *files],
            env=self.environment(),
            check=True,
        )

    def ready(self) -> bool:
        """Whether every process says that it is."""
        for process in self.processes.values():
            process.wait_for_ready = True
        return all(process.running and process.ready() for process in self.processes.values())

    def kill(self) -> None:
        """End them all at once."""
        for process in self.processes.values():
            process.kill()

    def logs(self) -> str:
        """All that the processes have logged."""
        return "\n".join(process.log.read_text(errors="replace") for process in self.processes.values())

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """A REST call; waits for an api that is just being restarted."""
        scheme, verify = ("http", plain.NOBODY) if self._verify is None else ("https", self._verify)
        token = self._token_file.read_text().strip()
        return rest.call(f"{scheme}://{LOOPBACK}:{self.api_port}", token, method, path, verify=verify, **arguments)

    def add_project(self, name: str, destination: Mapping[str, Any], **fields: Any) -> None:
        """A destination called `research` and a project that goes there."""
        self.call("POST", "/destinations", json={"name": "research", **destination})
        self.call("POST", "/projects", json={"name": name, "destinations": ["research"], **fields})

    def assign(self, study_uid: str, project: str, participant: str) -> None:
        """Say whose study it is, as soon as it is known."""
        wait_until(lambda: self._known(study_uid), 240, "the study in the catalogue", every=0.2)
        body = {"project": project, "participant": participant}
        self.call("POST", f"/studies/{study_uid}/assignments", json=body)

    def _known(self, study_uid: str) -> bool:
        return any(item["study_instance_uid"] == study_uid for item in self.call("GET", "/studies")["items"])

    def transfers(self) -> list[dict[str, Any]]:
        """All transfers."""
        items: list[dict[str, Any]] = self.call("GET", "/transfers")["items"]
        return items

    def wait_delivered(self, instances: int, timeout: float = 300) -> list[dict[str, Any]]:
        """Wait until completed transfers account for so many instances, and nothing else is under way."""

        def done() -> bool:
            found = self.transfers()
            over = all(item["state"] in rest.OVER for item in found)
            return over and sum(item["instances"] for item in found) >= instances

        wait_until(done, timeout, f"{instances} instances delivered", every=0.5)
        return self.transfers()


_RUNNING: set[Gateway] = set()


def tails() -> str:
    """The ends of the logs of every gateway that runs."""
    processes = [process for gateway in _RUNNING for process in gateway.processes.values() if process.log.exists()]
    return "\n".join(f"--- {process.name}\n{process.process.tail(15)}" for process in processes)


@contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    """Started for the block, killed after it; the tail of every log is shown when the block fails."""
    _RUNNING.add(gateway)
    try:
        gateway.start()
        yield gateway
    except BaseException:
        print(tails())
        raise
    finally:
        _RUNNING.discard(gateway)
        gateway.kill()
