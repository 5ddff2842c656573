"""The images are built, hold what they should and nothing else, and carry a study down the main road."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from services.__main__ import NAMES
from tests.components import containers
from tests.components.containers import REGISTRY, ROOT, run
from tests.components.fixtures import need
from tests.system import compose, kube

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("containers")]

LEAN = {"receiver", "indexer", "router", "sender", "redcap", "audit", "janitor", "monitor"}
LOOK = """
import ast, hashlib, importlib, importlib.util as u, json, os, pathlib, sys
here = pathlib.Path('/app')
def needs(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import): yield from (each.name for each in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level: yield node.module
files = sorted(here.rglob('*.py'))
for path in files:
    parts = path.relative_to(here).with_suffix('').parts
    if parts[0] != 'cli' and parts[-1] != '__main__' and 'migrations' not in parts and len(parts) > 1:
        importlib.import_module('.'.join(parts).removesuffix('.__init__'))
tops = {(name.split('.')[0], str(path)) for path in files for name in needs(path)} if sys.argv[1] != 'api' else set()
print(json.dumps({
    'user': os.getuid(),
    'writes': [each for each in ('/app', '/opt/fiona', '/usr', '/etc') if os.access(each, os.W_OK)],
    'lacks': sorted(pair for pair in tops if pair[0] not in ('cli', 'services') and u.find_spec(pair[0]) is None),
    'eyes': [each for each in ('cv2', 'onnxruntime') if u.find_spec(each)],
    'files': {str(path.relative_to(here)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
}))
"""
TOOLS = """
import shutil
names = ('pip', 'pip3', 'uv', 'gcc', 'cc', 'make', 'git', 'curl', 'wget', 'apt-get', 'idle')
print([name for name in names if shutil.which(name)])
import importlib.util
print([name for name in ('pip', 'setuptools', 'ensurepip', 'pytest') if importlib.util.find_spec(name)])
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All of them, built once."""
    need("containers", "rabbitmq", "postgres", "orthanc", "dcmtk")
    containers.build_stand_ins()
    containers.build(tmp_path_factory.mktemp("build"))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_holds_one_service_whole(images: None, name: str) -> None:
    """All that its code may ever import is there; it runs as nobody and can write nowhere but where it should."""
    image = f"{REGISTRY}/{name}:local"
    seen = json.loads(containers.python(image, f"import sys; sys.argv[1:] = ['{name}']\n{LOOK}"))
    assert (seen["user"], seen["writes"], seen["lacks"]) == (10001, [], [])
    for path, digest in seen["files"].items():
        source = ROOT / path if (ROOT / path).exists() else ROOT / "deploy" / path
        assert sha256(source.read_bytes()).hexdigest() == digest, path
    services = {path.split("/")[1] for path in seen["files"] if path.startswith("services/") and path.count("/") > 1}
    assert services == {name} | ({"receiver"} if name == "api" else set())
    assert bool(seen["eyes"]) == (name not in LEAN)


def test_no_tools_are_inside(images: None) -> None:
    for name in ("receiver", "api"):
        assert containers.python(f"{REGISTRY}/{name}:local", TOOLS).split() == ["[]", "[]"]


def test_what_is_inside_is_told(images: None) -> None:
    """The bill of materials names all that the locks name, in their versions."""
    for name, locks in (("sender", ["services"]), ("anonymizer", ["services", "pixels"])):
        said = containers.python(f"{REGISTRY}/{name}:local", "print(open('/app/sbom.cdx.json').read())")
        bill = json.loads(said)
        assert bill["bomFormat"] == "CycloneDX"
        found = {(part["name"].lower().replace("_", "-"), part["version"]) for part in bill["components"]}
        lines = [line for lock in locks for line in (ROOT / f"deploy/{lock}.lock").read_text().splitlines()]
        locked = {tuple(line.split(" ")[0].split("==")) for line in lines if re.fullmatch(r"[^;]+==[^;]+", line)}
        assert len(locked) > 5
        assert {pair for pair in locked if "[" not in pair[0]} <= found


def test_an_image_says_what_it_is(images: None) -> None:
    for name in NAMES:
        told = containers.inspect(f"{REGISTRY}/{name}:local")["Config"]
        assert told["User"] == "10001:10001"
        assert told["Labels"]["org.opencontainers.image.licenses"] == "MIT"


def test_one_host(images: None, tmp_path: Path) -> None:
    """compose.yaml, from an empty machine to a study in the research PACS."""
    with compose.running(tmp_path) as host:
        host.road().drive(tmp_path / "study")
        for service in NAMES:
            run("podman", "exec", host.name(service), "python", "/app/healthcheck.py")
        assert "already" in host("--profile", "tools", "run", "--rm", "--no-deps", "fiona", "migrate")


def test_one_node(images: None, tmp_path: Path) -> None:
    """The one-node overlay, run by podman as pods; the Job migrates, and the services wait for it."""
    with kube.running(tmp_path) as node:
        node.road().drive(tmp_path / "study")
