"""The one-node overlay, run by `podman play kube`.

What a cluster would do and podman does not is done here: a pod gets the name of its Service; what is behind the load
balancer is published; probes (which need systemd) are left out. A research PACS is added.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.validate_manifests import manifests
from tests.components import plain
from tests.components.containers import BASES, ROOT, run
from tests.components.process import LOOPBACK, free_port, wait_until
from tests.system.compose import Compose
from tests.system.road import Road

NETWORK = "fiona-test-kube"
KEPT = ("PersistentVolumeClaim", "ConfigMap")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")


class Node:
    """A node with the overlay on it."""

    def __init__(self, folder: Path) -> None:
        self._host = Compose(folder)
        self._folder = folder
        self._file = folder / "node.yaml"
        self._secrets: dict[str, dict[str, str]] = {}
        self._ports = {"receiver": free_port(), "api": free_port(), "orthanc": free_port()}

    def prepare(self) -> None:
        """Secrets as the one-node overlay's are made, and the pods."""
        subprocess.run([str(ROOT / "scripts/unpack-kubectl.sh")], check=True)
        self._host.prepare()
        secrets = self._folder / "deploy/k8s/secrets.sh"
        secrets.parent.mkdir()
        secrets.write_bytes((ROOT / "deploy/k8s/secrets.sh").read_bytes())
        found = [*yaml.safe_load_all(run("bash", secrets)), *manifests("overlays/one-node")]
        kept = [each for each in found if each and each["kind"] in KEPT]
        for each in kept:
            each["metadata"].pop("namespace", None)
        self._secrets = {each["metadata"]["name"]: each["data"] for each in found if each and each["kind"] == "Secret"}
        pods = [self._pod(each) for each in found if each and each["kind"] in ("Deployment", "Job")]
        self._file.write_text(yaml.safe_dump_all([*kept, *pods, self._pacs()]))

    def _pod(self, workload: dict[str, Any]) -> dict[str, Any]:
        name = workload["metadata"]["name"]
        template = workload["spec"]["template"]
        (container,) = template["spec"]["containers"]
        for probe in PROBES:
            container.pop(probe, None)
        first, *_ = container.pop("ports", [{}])
        if name in self._ports:
            container["ports"] = [{**first, "hostPort": self._ports[name]}]
        if name == "api":
            container["env"].append({"name": "FIONA_API_PUBLIC_URL", "value": self.api})
        if name == "indexer":
            container["env"].append({"name": "FIONA_INDEXER_QUIET_SECONDS", "value": "2"})
        template["spec"].setdefault("restartPolicy", "Always")
        labels = template["metadata"]["labels"]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": template["spec"],
        }

    def _pacs(self) -> dict[str, Any]:
        files = {
            "orthanc.json": (self._folder / "deploy/orthanc.json")
            .read_text()
            .replace('"DicomAlwaysAllowStore": false', '"DicomAlwaysAllowStore": true'),
            "users.json": (self._folder / "deploy/secrets/orthanc_users.json").read_text(),
        }
        settings = "\n".join(f"cat > /tmp/c/{name} <<'EOF'\n{text}\nEOF" for name, text in files.items())
        container = {
            "name": "orthanc",
            "image": BASES["orthanc"],
            "command": ["sh", "-c", f"mkdir -p /tmp/c && {settings}\nexec Orthanc /tmp/c/"],
            "env": [{"name": "TCP_NODELAY", "value": "1"}],
            "ports": [{"containerPort": 8042, "hostPort": self._ports["orthanc"]}],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "orthanc"}, "spec": {"containers": [container]}}

    @property
    def api(self) -> str:
        """Where people reach it."""
        return f"http://{LOOPBACK}:{self._ports['api']}"

    def up(self) -> None:
        """Play it; a Secret is told to this version of podman as JSON."""
        for name, data in self._secrets.items():
            file = self._folder / f"{name}.json"
            file.write_text(json.dumps(data))
            run("podman", "secret", "create", name, file)
        run("podman", "network", "create", NETWORK)
        run("podman", "play", "kube", "--network", NETWORK, self._file, timeout=300)

    def down(self) -> None:
        """Take all of it away."""
        run("podman", "play", "kube", "--down", self._file, check=False)
        names = [
            each["metadata"]["name"] for each in yaml.safe_load_all(self._file.read_text()) if each["kind"] in KEPT
        ]
        run("podman", "volume", "rm", "-f", *names, check=False)
        run("podman", "secret", "rm", *self._secrets, check=False)
        run("podman", "network", "rm", "-f", NETWORK, check=False)

    def road(self) -> Road:
        """The road, with a token of the first administrator."""
        wait_until(self._answers, 300, "the api", every=0.5)
        inside = ("podman", "exec", "api-api")
        secrets = ["--password-file", "/tmp/password", "--token-file", "/tmp/token"]
        run(*inside, "python", "-m", "services.api.people", "tester", "--everything", *secrets)
        password = (self._folder / "deploy/secrets/orthanc_password").read_text().strip()
        token = run(*inside, "cat", "/tmp/token").strip()
        return Road(self._ports["receiver"], self.api, token, f"http://{LOOPBACK}:{self._ports['orthanc']}", password)

    def _answers(self) -> bool:
        try:
            return plain.get(f"{self.api}/livez", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def logs(self) -> str:
        """The last lines of each container."""
        return run(
            "sh",
            "-c",
            "for n in $(podman ps -a --format '{{.Names}}'); do echo --- $n; podman logs --tail 8 $n 2>&1; done",
        )


@contextmanager
def running(folder: Path) -> Iterator[Node]:
    """Played for the block, gone after it."""
    node = Node(folder)
    node.prepare()
    try:
        node.up()
        yield node
    except BaseException:
        print(node.logs())
        raise
    finally:
        node.down()
