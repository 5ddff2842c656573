"""`python -m scripts.validate_manifests`: what kustomize makes of deploy/k8s, against the schemas of Kubernetes.

No package has the schemas of what operators define (RabbitMQ's, CloudNativePG's, KEDA's, …) in a form that is read
here: operators.yaml says which fields of theirs there are. What of it must fit the code is looked at by
tests/unit/test_kubernetes*.py.
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
OPERATORS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("operators.yaml").read_text("utf-8"))
"""The shape of each operator's kind, by its version and name."""

Manifest = dict[str, Any]
TYPES = {"string": str, "integer": int, "boolean": bool, "any": object}


@cache
def _rendered(folder: Path) -> str:
    command = [str(KUBECTL), "kustomize", str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def manifests(overlay: str | Path) -> list[Manifest]:
    """What an overlay of deploy/k8s, or another folder, comes to, anew for each who asks."""
    return list(yaml.load_all(_rendered(ROOT / "deploy/k8s" / overlay), Loader=yaml.CSafeLoader))


def shape_of(manifest: Manifest) -> Any:
    """How an operator's kind looks; None for Kubernetes' own."""
    return OPERATORS.get(f"{manifest['apiVersion']} {manifest['kind']}")


def misfits(value: Any, shape: Any, place: str = "spec") -> Iterator[str]:
    """Where a value is not of its shape."""
    match shape:
        case dict() if isinstance(value, dict):
            for name, each in value.items():
                if (inner := shape.get(name, shape.get("*"))) is None:
                    yield f"{place}.{name} is unknown"
                else:
                    yield from misfits(each, inner, f"{place}.{name}")
        case [inner] if isinstance(value, list):
            for number, each in enumerate(value):
                yield from misfits(each, inner, f"{place}[{number}]")
        case str() if shape in TYPES:
            if not isinstance(value, TYPES[shape]) or (shape == "integer" and isinstance(value, bool)):
                yield f"{place} is not of type {shape}"
        case str() if value in shape.split("|"):
            pass
        case _:
            yield f"{place} is none of {shape}" if isinstance(shape, str) else f"{place} has another form"


def faults(overlay: str | Path) -> Iterator[str]:
    """What a cluster of one of the versions, or an operator, would refuse."""
    for manifest in manifests(overlay):
        name = f"{overlay}: {manifest['kind']} {manifest['metadata']['name']}"
        if (shape := shape_of(manifest)) is not None:
            yield from (f"{name}: {fault}" for fault in misfits(manifest["spec"], shape))
            continue
        for version in VERSIONS:
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
