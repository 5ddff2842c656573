"""`python -m scripts.validate_manifests`: what kustomize makes of deploy/k8s, against the schemas of Kubernetes.

What an operator defines (RabbitMQ's, CloudNativePG's, KEDA's, …) has no schema here; tests/unit/test_deploy.py looks at
what of it must fit the code.
"""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

ROOT = Path(__file__).parent.parent
KUBECTL = ROOT / "build/bin/kubectl"
OVERLAYS = ("overlays/one-node", "overlays/production", "overlays/example-hospital")
VERSIONS = ("1.30", "1.33", "1.35")
OPERATORS = ("rabbitmq.com", "cnpg.io", "keda.sh", "external-secrets.io", "cert-manager.io")
"""The ends of the API groups that are not Kubernetes' own."""

Manifest = dict[str, Any]


@cache
def _rendered(overlay: str) -> str:
    command = [str(KUBECTL), "kustomize", str(ROOT / "deploy/k8s" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def manifests(overlay: str) -> list[Manifest]:
    """What an overlay comes to, anew for each who asks."""
    return list(yaml.load_all(_rendered(overlay), Loader=yaml.CSafeLoader))


def foreign(manifest: Manifest) -> bool:
    """Whether it is an operator's kind."""
    group = str(manifest["apiVersion"]).split("/")[0]
    return group.endswith(OPERATORS)


def faults(overlay: str) -> Iterator[str]:
    """What a cluster of one of the versions would refuse."""
    for manifest in manifests(overlay):
        name = f"{overlay}: {manifest['kind']} {manifest['metadata']['name']}"
        for version in () if foreign(manifest) else VERSIONS:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
                yield f"{name} on {version}: {error.message}"


def main() -> int:
    subprocess.run([str(ROOT / "scripts/unpack-kubectl.sh")], check=True)
    found = [fault for overlay in OVERLAYS for fault in faults(overlay)]
    print("\n".join(found) or f"{len(OVERLAYS)} sets of manifests fit Kubernetes {', '.join(VERSIONS)}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
