#!/usr/bin/env bash
# Writes the hashed locks from pyproject.toml; no line of them names a package index.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
options=(--quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate)
"$uv" pip compile "${options[@]}" "$@" pyproject.toml -o requirements.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
"$uv" pip compile "${options[@]}" "$@" pyproject.toml --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock
if grep -nE 'https?://' requirements*.lock; then
    echo "a lock names an address" >&2
    exit 1
fi
