#!/usr/bin/env bash
# Makes .venv from hashed locks: `setup-venv.sh LOCK…`. Installs Debian's python3-venv when it is missing and we may.
set -euo pipefail
cd "$(dirname "$0")/.."

python=$(command -v python3.11 || command -v python3)
if [ ! -x .venv/bin/python ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        if [ "$(id -u)" != 0 ]; then
            echo "python3-venv is missing: sudo apt-get install python3-venv" >&2
            exit 1
        fi
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv
    fi
    "$python" -m venv .venv
fi
[ -x .venv/bin/uv ] || .venv/bin/python -m ensurepip >/dev/null 2>&1 || true
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install -q --disable-pip-version-check uv
# Compiled once here, not at each start of each process.
export VIRTUAL_ENV="$PWD/.venv" UV_COMPILE_BYTECODE=1
for lock in "$@"; do
    .venv/bin/uv pip install -q --require-hashes -r "$lock"
done
.venv/bin/uv pip install -q --no-deps -e .
