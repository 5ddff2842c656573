"""The images of deploy/, built and run without a daemon and without a registry: buildah, podman and runc.

The images below them (Python, RabbitMQ, PostgreSQL, Orthanc) are made of Debian's packages, under the names that
deploy/ asks for: stand_ins/Dockerfile.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from services.__main__ import NAMES
from tests.components import packages
from tests.components.process import ComponentError
from tests.components.programs import absent

ROOT = Path(__file__).parent.parent.parent
STAND_INS = Path(__file__).parent / "stand_ins"
REGISTRY = "localhost/fiona"
SOURCES = ("deidentification", "services", "shared", "cli")
BASES = {
    "python": "docker.io/library/python:3.11.13-slim-bookworm",
    "rabbitmq": "docker.io/library/rabbitmq:3.13",
    "postgres": "docker.io/library/postgres:17-bookworm",
    "orthanc": "docker.io/jodogne/orthanc-plugins:1.12.4",
}
COMMON = ("bash", "dash", "coreutils", "grep", "sed", "mawk", "findutils", "libc-bin", "base-files", "tzdata")
PYTHON = ("python3-venv", "ca-certificates", "libstdc++6", *COMMON)
SERVERS = (
    "rabbitmq-server",
    "postgresql-15",
    "orthanc",
    "orthanc-dicomweb",
    "procps",
    "util-linux",
    "hostname",
    *COMMON,
)
NOT_NEEDED = (
    "perl",
    "perl-base",
    "debconf",
    "libllvm14",
    "adduser",
    "dcmtk",
    "systemd",
    "locales",
    "postgresql-common",
)


def missing() -> list[str]:
    """What is not installed of it."""
    lacking = absent("buildah", "podman", "runc", "Orthanc")
    return lacking or ([] if os.geteuid() == 0 else ["root (to build and run containers)"])


def run(*command: str | Path, timeout: float = 600, check: bool = True) -> str:
    """A program's output, by the configuration beside this file; ComponentError with its last words when it fails."""
    environment = os.environ | {"CONTAINERS_CONF": str(STAND_INS / "containers.conf")}
    arguments = [str(each) for each in command]
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
    )
    if check and done.returncode:
        raise ComponentError(f"{' '.join(arguments[:6])} …: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def inspect(image: str) -> dict[str, Any]:
    """An image's configuration."""
    found: dict[str, Any] = json.loads(run("podman", "image", "inspect", image))[0]
    return found


def build_stand_ins() -> None:
    """The images that others publish, of the packages that are installed here."""
    packages.image("localhost/fiona-test-python", PYTHON, NOT_NEEDED)
    packages.image("localhost/fiona-test-servers", SERVERS, NOT_NEEDED)
    for target, name in BASES.items():
        run(*_bud(), "--target", target, "-t", name, STAND_INS)


def build(folder: Path) -> None:
    """Every target of deploy/Dockerfile in one pass, tagged.

    A target a time would hash the environments again for each. A stage of our own names all of them, and what each ends
    in is known by its entry point.
    """
    dockerfile = folder / "Dockerfile"
    wanted = "".join(f"COPY --from={name} /app/healthcheck.py /tmp/{name}\n" for name in NAMES)
    dockerfile.write_text((ROOT / "deploy/Dockerfile").read_text("utf-8") + f"\nFROM fiona AS every-target\n{wanted}")
    # Whom this machine trusts, and what it has fetched already.
    cache = Path.home() / ".cache/uv"
    cache.mkdir(parents=True, exist_ok=True)
    volumes = ("-v", "/etc/ssl/certs:/etc/ssl/certs:ro", "-v", f"{cache}:/root/.cache/uv")
    revision = _revision()
    options = ("--build-arg", f"REVISION={revision}", "-f", dockerfile, "--target", "every-target")
    run(*_bud(), *volumes, *options, "-t", f"{REGISTRY}/every-target", ROOT)
    entries = {f"services.{name}": name for name in NAMES} | {"cli": "fiona"}
    of_these = ("--filter", f"label=org.opencontainers.image.revision={revision}")
    known = json.loads(run("podman", "images", "--all", "--sort", "created", *of_these, "--format", "json"))
    for told in json.loads(run("podman", "image", "inspect", *(each["Id"] for each in known))):
        entry = told["Config"].get("Entrypoint") or [""]
        if (name := entries.pop(entry[-1], None)) is not None:
            run("podman", "tag", told["Id"], f"{REGISTRY}/{name}:local")
    if entries:
        raise ComponentError(f"no image came of {', '.join(entries.values())}")


def _revision() -> str:
    """One word for all that goes into the images: what was built of the same before is taken, and nothing else."""
    told = sha256(inspect(BASES["python"])["Id"].encode())
    sources = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    for path in sorted(each for each in (*sources, *(ROOT / "deploy").iterdir()) if each.is_file()):
        told.update(f"{path.relative_to(ROOT)}\n".encode() + sha256(path.read_bytes()).digest())
    return told.hexdigest()[:16]


def _bud() -> Sequence[str]:
    return ("buildah", "bud", "-q", "--isolation", "chroot", "--pull-never", "--format", "docker", "--layers")


def python(image: str, code: str, *options: str) -> str:
    """What a script says in an image, as its user, on a read-only root, without a network."""
    hardened = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
    tmp = ("--tmpfs", "/tmp:size=64m", "--no-healthcheck")
    return run("podman", "run", *hardened, *tmp, *options, "--entrypoint", "python", image, "-c", code)
