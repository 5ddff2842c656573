"""deploy/compose.yaml brought up from a copy of deploy/, as its README says, with podman-compose."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from tests.components import plain
from tests.components.containers import ROOT, run
from tests.components.process import LOOPBACK, ComponentError, free_port, wait_until
from tests.system.road import Road

PROJECT = "fiona-test"
QUICK = {"services": {"indexer": {"environment": {"FIONA_INDEXER_QUIET_SECONDS": "2"}}}}


class Compose:
    """One host's set."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "deploy"
        self.dicom_port, self.api_port, self.orthanc_port = free_port(), free_port(), free_port()

    def prepare(self) -> None:
        """The files, the secrets, and what this machine says in deploy/.env."""
        shutil.copytree(ROOT / "deploy", self._folder, ignore=shutil.ignore_patterns("secrets", "k8s"))
        run(self._folder / "make-secrets.sh")
        (self._folder / "compose.override.yaml").write_text(yaml.safe_dump(QUICK))
        ports = {"DICOM_PORT": self.dicom_port, "API_PORT": self.api_port, "ORTHANC_PORT": self.orthanc_port}
        lines = [*(f"{name}={port}" for name, port in ports.items()), f"PUBLIC_URL={self.api}"]
        (self._folder / ".env").write_text("\n".join(lines) + "\n")

    @property
    def api(self) -> str:
        """Where people reach it."""
        return f"http://{LOOPBACK}:{self.api_port}"

    def __call__(self, *arguments: str, timeout: float = 300, check: bool = True) -> str:
        """podman-compose, on these files."""
        program = Path(sys.executable).parent / "podman-compose"
        files = ("-f", str(self._folder / "compose.yaml"), "-f", str(self._folder / "compose.override.yaml"))
        return run(program, "--in-pod", "0", "-p", PROJECT, *files, *arguments, timeout=timeout, check=check)

    def name(self, service: str) -> str:
        """A service's container."""
        return f"{PROJECT}_{service}_1"

    def road(self) -> Road:
        """The road, with a token of the first administrator, who is made here."""
        wait_until(self._answers, 300, "the api", every=0.5)
        secrets = ["--password-file", "/tmp/password", "--token-file", "/tmp/token"]
        inside = ("podman", "exec", self.name("api"))
        run(*inside, "python", "-m", "services.api.people", "tester", "--everything", *secrets)
        token = run(*inside, "cat", "/tmp/token").strip()
        password = (self._folder / "secrets/orthanc_password").read_text().strip()
        return Road(self.dicom_port, self.api, token, f"http://{LOOPBACK}:{self.orthanc_port}", password)

    def _answers(self) -> bool:
        try:
            return plain.get(f"{self.api}/livez", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def logs(self, lines: int = 12) -> str:
        """The last lines of each container."""
        names = run("podman", "ps", "-a", "--filter", f"name={PROJECT}", "--format", "{{.Names}}").split()
        return "\n".join(f"--- {name}\n{_log(name, lines)}" for name in names)


def _log(name: str, lines: int) -> str:
    try:
        return run("sh", "-c", f"podman logs --tail {lines} {name} 2>&1", timeout=30)
    except ComponentError as error:
        return str(error)


@contextmanager
def running(folder: Path) -> Iterator[Compose]:
    """Up for the block; down after it, volumes and all."""
    compose = Compose(folder)
    compose.prepare()
    try:
        compose("up", "-d", "--no-build")
        yield compose
    except BaseException:
        print(compose.logs())
        raise
    finally:
        compose("down", "-v", "-t", "1", check=False)
