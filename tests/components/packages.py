"""The files of Debian packages that are installed here, as the bottom of an image: no registry is asked."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

INFO = Path("/var/lib/dpkg/info")
MERGED = ("/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives", "/usr/bin/awk")
PLACES = (
    "/dev",
    "/etc",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/tmp",
    "/usr/local/bin",
    "/var/lib",
    "/var/log",
    "/var/tmp",
)
LEFT_OUT = re.compile(
    r"/usr/share/(doc|man|locale|i18n|info|lintian|bug|perl|icons|mime|zoneinfo/right)(/|$)|/usr/lib/[^/]+/(perl|llvm)|"
    r"/usr/lib/x86_64-linux-gnu/(gconv|libLLVM|systemd)|/usr/lib/systemd|/etc/(init\.d|cron|logrotate|systemd)"
)


def closure(names: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    """The packages and all that they depend on, as far as it is installed; KeyError names one that is not."""
    command = ["dpkg-query", "-W", "-f", "${Package}|${db:Status-Status}|${Depends}, ${Pre-Depends}|${Provides}\n"]
    needs: dict[str, str] = {}
    provided: dict[str, str] = {}
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        name, state, depends, provides = line.replace("| ", "¦ ").split("|")
        if state == "installed":
            needs[name] = depends
            provided |= {_name(each): name for each in provides.split(",") if each.strip()}
    for name in names:
        needs[name]
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or name in without:
            continue
        found[name] = None
        for alternatives in needs[name].split(","):
            there = [each for each in map(_name, alternatives.split("¦")) if each in needs or each in provided]
            waiting += [provided.get(each, each) if each not in needs else each for each in there[:1]]
    return sorted(found)


def _name(relation: str) -> str:
    return relation.strip().split(" ")[0].split(":")[0]


def files(packages: Sequence[str]) -> Iterator[str]:
    """What the packages brought, by the real name of its folder, documents and translations left out."""
    yield from (path for path in (*PLACES, *MERGED) if os.path.lexists(path))
    yield from (str(path) for path in Path("/etc/alternatives").iterdir())
    for package in packages:
        lists = [*INFO.glob(f"{package}.list"), *INFO.glob(f"{package}:*.list")]
        for line in lists[0].read_text().splitlines():
            if line == "/." or LEFT_OUT.search(line) or not os.path.lexists(line):
                continue
            folder, name = os.path.split(line)
            yield os.path.join(os.path.realpath(folder), name)


def image(name: str, packages: Sequence[str], without: Sequence[str] = ()) -> None:
    """Make an image of these packages, unless there is one of the same: what was built on it is good then, too.

    RuntimeError with podman's words when it cannot.
    """
    found = closure(packages, without)
    kept = f"{name}:{_versions(found)}"
    if subprocess.run(["podman", "image", "exists", kept], check=False).returncode:
        _import(kept, found)
    subprocess.run(["podman", "tag", kept, f"{name}:latest"], check=True)


def _versions(packages: Sequence[str]) -> str:
    """One word for what is in such an image: the packages' versions, and how files are chosen here."""
    told = subprocess.run(["dpkg-query", "-W", *packages], check=True, capture_output=True).stdout
    return sha256(told + Path(__file__).read_bytes()).hexdigest()[:16]


def _import(name: str, packages: Sequence[str]) -> None:
    wanted = "\n".join(dict.fromkeys(path.lstrip("/") for path in files(packages)))
    tar = ["tar", "-C", "/", "--no-recursion", "--numeric-owner", "--verbatim-files-from", "-T", "-", "-cf", "-"]
    with (
        subprocess.Popen(tar, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as packing,
        subprocess.Popen(
            ["podman", "import", "--quiet", "-", name],
            stdin=packing.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as taking,
    ):
        assert packing.stdin is not None
        packing.stdin.write(wanted)
        packing.stdin.close()
        said = taking.communicate()[1]
    if taking.returncode or packing.returncode:
        raise RuntimeError(f"no image {name} of Debian packages: {said.strip()}")
