"""What an overlay of deploy/k8s comes to, as tests of it ask for it."""

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from scripts.validate_manifests import KUBECTL, ROOT, manifests

PRODUCTION = ("overlays/production", "overlays/example-hospital")


@pytest.fixture(scope="session")
def kubectl() -> None:
    """kubectl, unpacked once; without a network to take it from: skipped, unless CI=true."""
    done = subprocess.run([str(ROOT / "scripts/unpack-kubectl.sh")], capture_output=True, check=False)
    if done.returncode and not KUBECTL.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("no kubectl could be unpacked")


@cache
def read(overlay: str) -> list[dict[str, Any]]:
    """All of it, read once: to be looked at, not to be changed."""
    return manifests(overlay)


def of_kind(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [each for each in read(overlay) if each["kind"] in kinds]


def workloads(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, pod and container of each Deployment and Job."""
    for each in of_kind(overlay, "Deployment", "Job"):
        pod = each["spec"]["template"]["spec"]
        assert len(pod["containers"]) == 1
        yield each["metadata"]["name"], pod, pod["containers"][0]


def ours(overlay: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Those that run the gateway's code."""
    yield from (each for each in workloads(overlay) if each[0] not in ("rabbitmq", "postgres"))


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container.get("env", ())}


def service_of(name: str) -> str:
    return name.removesuffix("-tls")
