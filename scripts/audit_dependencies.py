"""Look for known weaknesses in what the locks name: python -m scripts.audit_dependencies [LOCK…] [--advisories PATH]

Without PATH, pip-audit asks PyPI. With it nothing is asked: PATH is a folder, or a ZIP, of advisories in the OSV format
(https://ossf.github.io/osv-schema), as the PyPI export of osv.dev is, carried in by hand.

Ends with 0: none is known. 1: there are some, listed. 2: nobody could be asked, so nothing is known.
"""

import argparse
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")
SECONDS = 300
PASSED_OVER = "could not be audited"


def locked(lock: Path) -> dict[str, str]:
    """Package -> version, as a lock names them."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", lock.read_text("utf-8"), re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in found}


def advisories(place: Path) -> Iterator[dict[str, Any]]:
    """Every advisory of a folder or a ZIP."""
    if place.is_dir():
        for path in sorted(place.rglob("*.json")):
            yield json.loads(path.read_text("utf-8"))
        return
    with zipfile.ZipFile(place) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def concerns(affected: dict[str, Any], version: str) -> bool:
    """Whether a version is among those that an advisory names, or lies in one of its ranges."""
    if version in affected.get("versions", ()):
        return True
    ranges = [each for each in affected.get("ranges", ()) if each.get("type") == "ECOSYSTEM"]
    return any(_inside(each["events"], Version(version)) for each in ranges)


def _inside(events: list[dict[str, str]], version: Version) -> bool:
    """Introduced and not yet fixed, by the last event before the version."""
    inside = False
    for event in events:
        ((word, at),) = event.items()
        try:
            reached = at == "0" or (version > Version(at) if word == "last_affected" else version >= Version(at))
        except InvalidVersion:
            continue
        if reached:
            inside = word == "introduced"
    return inside


def known(packages: dict[str, str], place: Path) -> list[str]:
    """What is known of them: a line each."""
    lines = []
    for advisory in advisories(place):
        if advisory.get("withdrawn"):
            continue
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            name = str(canonicalize_name(package.get("name", "")))
            if package.get("ecosystem") == "PyPI" and name in packages and concerns(affected, packages[name]):
                lines.append(f"{name} {packages[name]}: {advisory['id']} {advisory.get('summary', '')}".rstrip())
    return sorted(set(lines))


def ask(lock: Path) -> int:
    """By pip-audit, which reads the lock as it is and installs nothing."""
    options = ["--disable-pip", "--require-hashes", "--progress-spinner", "off", "--timeout", "15"]
    command = [sys.executable, "-m", "pip_audit", *options, "-r", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 2, "", "no answer in time")
    return verdict(lock, done)


def verdict(lock: Path, done: subprocess.CompletedProcess[str]) -> int:
    """What pip-audit's answer is worth: of packages that it could not ask about it says that nothing is known, too."""
    passed_over = done.stdout.count(PASSED_OVER)
    print("".join(line for line in done.stdout.splitlines(keepends=True) if PASSED_OVER not in line), end="")
    if done.returncode and "vulnerabilit" not in (done.stdout + done.stderr):
        print(f"{lock}: not audited, nobody could be asked; see --advisories", file=sys.stderr)
        return 2
    if passed_over:
        share = f"{passed_over} of {len(locked(lock))}"
        print(f"{lock}: {share} not audited, PyPI did not know them; see --advisories", file=sys.stderr)
        return 2
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


def main(arguments: list[str] | None = None) -> int:
    """The worst of what the locks come to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("locks", nargs="*", type=Path, default=[Path(lock) for lock in LOCKS])
    parser.add_argument("--advisories", type=Path, help="folder or ZIP of advisories (OSV)")
    given = parser.parse_args(arguments)
    if given.advisories is None:
        return max(ask(lock) for lock in given.locks)
    lines = known({name: version for lock in given.locks for name, version in locked(lock).items()}, given.advisories)
    print("\n".join(lines) or "nothing known")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
