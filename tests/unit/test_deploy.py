"""What stands in deploy/ fits the code: settings exist, every service has its container, nothing is root."""

import ast
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module, util
from importlib.metadata import packages_distributions
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from services.__main__ import NAMES
from services.receiver.settings import ReceiverSettings
from shared.destinations import DicomDestination
from shared.settings import FionaSettings, Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]


def variables(module: str) -> set[str]:
    """The variables that the settings classes of a module read."""
    if util.find_spec(module) is None:
        return set()
    return {
        f"{each.model_config['env_prefix']}{field}".upper()
        for each in vars(import_module(module)).values()
        if isinstance(each, type) and issubclass(each, FionaSettings) and each.__module__ == module
        for field in each.model_fields
    }


COMMON = variables("shared.settings")
OWN = {name: variables(f"services.{name}.settings") for name in NAMES}


def unknown(given: set[str], settings: set[str]) -> set[str]:
    return {name for name in given if name.startswith("FIONA_") and name.removesuffix("_FILE") not in settings}


def test_the_settings_are_found_at_all() -> None:
    assert "FIONA_DATABASE_URL" in COMMON
    assert len(COMMON) == len(Settings.model_fields)
    assert "FIONA_RECEIVER_PORT" in OWN["receiver"]


@pytest.mark.parametrize("name", NAMES)
def test_every_service_is_a_container_with_settings_that_exist(name: str) -> None:
    container = CONTAINERS[name]
    assert container["build"]["target"] == name
    assert f"/{name}:" in container["image"]
    assert "command" not in container
    assert not unknown(set(container["environment"]), COMMON | OWN[name])
    assert container["volumes"] == ["data:/data"]


def test_the_images_settings_exist() -> None:
    given = set(re.findall(r"\b(FIONA_[A-Z_]+)=", DOCKERFILE))
    assert {"FIONA_DATA", "FIONA_HEALTH_PORT"} <= given
    assert not unknown(given, COMMON.union(*OWN.values()))


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_has_more_than_it_needs(name: str) -> None:
    container = CONTAINERS[name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert not container.keys() & {"privileged", "cap_add", "network_mode", "pid"}
    assert container["mem_limit"]
    assert container["restart"] == ("no" if name == "fiona" else "unless-stopped")
    if name != "orthanc":
        assert int(container["user"].split(":")[0]) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_service_can_be_traced(name: str) -> None:
    traced = yaml.safe_load((DEPLOY / "compose.traces.yaml").read_text("utf-8"))
    assert traced["services"].keys() == set(NAMES)
    added = traced["services"][name]
    assert not unknown(set(added["environment"]), COMMON)
    # Broker's and database's networks lead nowhere: the collector is reached by another one.
    assert added["networks"] == list(traced["networks"]) == ["traces"]
    assert not (traced["networks"]["traces"] or {}).get("internal")


@pytest.mark.parametrize("name", NAMES)
def test_every_service_runs_as_the_images_user(name: str) -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE) == [CONTAINERS[name]["user"]]


def test_the_receiver_needs_nobody_and_holds_no_keys() -> None:
    receiver = CONTAINERS["receiver"]
    assert "depends_on" not in receiver
    assert receiver["secrets"] == ["bus_url"]
    assert "database" not in receiver["networks"]


def test_only_dicom_is_published_to_the_network() -> None:
    published = {name: container["ports"] for name, container in CONTAINERS.items() if "ports" in container}
    assert published.keys() == {"receiver", "api", "orthanc"}
    for name in ("api", "orthanc"):
        assert all(port.startswith("127.0.0.1:") for port in published[name])


def test_broker_and_database_are_reached_from_inside_only() -> None:
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    for name in ("rabbitmq", "postgres"):
        assert set(CONTAINERS[name]["networks"]) <= inside


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    copy(DEPLOY / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, stdout=subprocess.DEVNULL)
    return tmp_path / "secrets"


def test_every_file_that_compose_mounts_is_there_or_made(secrets: Path) -> None:
    mounted = [secret["file"] for secret in COMPOSE["secrets"].values()]
    for container in CONTAINERS.values():
        assert set(container.get("secrets", [])) <= COMPOSE["secrets"].keys()
        given = [value for key, value in container.get("environment", {}).items() if key.endswith("_FILE")]
        assert {Path(path).name for path in given} == set(container.get("secrets", []))
        mounted += [volume.split(":")[0] for volume in container.get("volumes", []) if volume.startswith("./")]
    assert mounted
    for path in mounted:
        there = secrets / Path(path).name if "secrets/" in path else DEPLOY / path
        assert there.is_file(), path


def test_secrets_fit_one_another(secrets: Path) -> None:
    content = {path.name: path.read_text("utf-8").rstrip("\n") for path in secrets.iterdir()}
    assert len(content["secret_key"]) == 64
    database, bus = urlsplit(content["database_url"]), urlsplit(content["bus_url"])
    assert (database.scheme, database.hostname) == ("postgresql+asyncpg", "postgres")
    assert database.password == content["postgres_password"]
    assert (bus.scheme, bus.hostname) == ("amqp", "rabbitmq")
    assert bus.password == content["rabbitmq_password"]
    assert f"default_pass = {content['rabbitmq_password']}" in content["rabbitmq_user.conf"]
    assert json.loads(content["orthanc_users.json"])["RegisteredUsers"]["fiona"] == content["orthanc_password"]
    assert len({content[name] for name in ("secret_key", "postgres_password", "rabbitmq_password")}) == 3


def test_secrets_are_made_once_and_seen_by_the_owner_only(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    subprocess.run([secrets.parent / "make-secrets.sh"], check=True, stdout=subprocess.DEVNULL)
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert "secrets/" in (DEPLOY / ".gitignore").read_text("utf-8").splitlines()
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {source for sources in copied for source in sources.split()} == allowed - {"deploy"}


def test_the_image_is_made_of_one_base_and_no_other_address() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    stages = re.findall(r" AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert set(bases) <= {"${BASE}", *stages}
    assert len(re.findall(r"^ARG BASE=docker.io/library/python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)) == 1
    assert "://" not in DOCKERFILE
    for install in re.findall(r"pip install [^&\n]*", DOCKERFILE):
        assert "--require-hashes" in install
    assert "--require-hashes" in DOCKERFILE


def test_every_service_has_a_target_that_starts_it() -> None:
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL))
    for name in NAMES:
        assert f'ENTRYPOINT ["python", "-m", "services.{name}"]' in stages[name]


def test_the_locks_of_the_images_are_the_whole_one() -> None:
    """What the services need and what reads pixels, with the same hashes as where the tests run."""
    whole, services, pixels = (
        {line for line in (ROOT / path).read_text("utf-8").splitlines() if "--hash" in line}
        for path in ("requirements.lock", "deploy/services.lock", "deploy/pixels.lock")
    )
    assert services | pixels <= whole
    names = re.findall(r"^opencv-python==", (ROOT / "deploy/pixels.lock").read_text("utf-8"), re.MULTILINE)
    assert not names


def test_the_lock_holds_whatever_the_code_imports() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    locked = {canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", lock, re.MULTILINE)}
    by_module = packages_distributions()
    missing = {
        module
        for module in imported("deidentification", "services", "shared", "cli")
        if not locked & {canonical(name) for name in by_module.get(module, [module])}
    }
    assert not missing


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(*packages: str) -> Iterator[str]:
    """The top-level modules of others that our packages import."""
    for path in (path for package in packages for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Import():
                    names = [alias.name for alias in node.names]
                case ast.ImportFrom(module=str(module), level=0):
                    names = [module]
                case _:
                    continue
            tops = {name.partition(".")[0] for name in names}
            yield from tops - sys.stdlib_module_names - set(packages)


def test_systemd_starts_every_service_and_leaves_it_time_to_end() -> None:
    """The units, and what docs/operations.md has people write for them."""
    unit, target = ((DEPLOY / "systemd" / name).read_text("utf-8") for name in ("fiona@.service", "fiona.target"))
    assert sorted(re.findall(r"fiona@(\w+)\.service", target)) == sorted(NAMES)
    [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(seconds) > Settings().drain_seconds + ReceiverSettings().grace
    page = (ROOT / "docs/operations.md").read_text("utf-8").partition("**systemd**")[2].partition("**Who sees")[0]
    assert set(re.findall(r"for s in ([a-z ]+);", page)[0].split()) == set(NAMES)
    given = set(re.findall(r"\b(FIONA_\w+)=", page))
    assert given
    assert not unknown(given, COMMON.union(*OWN.values()))


def test_the_research_pacs_knows_the_sender() -> None:
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text("utf-8"))
    sender = orthanc["DicomModalities"]["fiona"]
    assert sender["AET"] == DicomDestination.model_fields["calling_aet"].default
    assert (sender["AllowStore"], sender["AllowFind"], sender["AllowEcho"]) == (True, True, True)


class Page(BaseHTTPRequestHandler):
    """Answers 200 at /livez and 503 elsewhere, as a process does that waits for its broker."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


def test_the_health_check_tells_alive_from_not() -> None:
    spec = util.spec_from_file_location("healthcheck", DEPLOY / "healthcheck.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert module.alive(port)
        assert not module.alive(port, "/readyz")
        server.shutdown()
        thread.join()
    assert not module.alive(port)
