"""A network of two hosts in one machine: a namespace and a cable to it, which can be pulled.

What is sent while the cable is out gets no answer, not even a refusal: peers notice by waiting. Needs root and
iproute2; the addresses exist on this machine only.
"""

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

_numbers = itertools.count(1)


def permitted() -> bool:
    """Whether this machine lets us make a network namespace."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


class Network:
    """`host` is reached from here and is the address of whoever runs in the namespace `name`."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"fiona-{os.getpid()}-{number}"
        self._here, self._there = f"fh{os.getpid()}{number}"[-15:], f"fn{os.getpid()}{number}"[-15:]
        # 198.18.0.0/15 is for tests of networks (RFC 2544); four addresses for each of ours.
        block = (os.getpid() * 64 + number * 4) % (1 << 17)
        octets = f"198.{18 + (block >> 16)}.{block >> 8 & 255}"
        self._gateway, self.host = f"{octets}.{(block & 252) + 1}", f"{octets}.{(block & 252) + 2}"
        self.whole = False

    def __enter__(self) -> Self:
        _sweep()
        _ip("netns", "add", self.name)
        _ip("link", "add", self._here, "type", "veth", "peer", "name", self._there, "netns", self.name)
        _ip("addr", "add", f"{self._gateway}/30", "dev", self._here)
        _ip("link", "set", self._here, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "addr", "add", f"{self.host}/30", "dev", self._there)
        self.mend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run(["ip", "link", "del", self._here], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    def cut(self) -> None:
        """Pull the cable."""
        _ip("-n", self.name, "link", "set", self._there, "down")
        self.whole = False

    def mend(self) -> None:
        """Plug it in again."""
        _ip("-n", self.name, "link", "set", self._there, "up")
        self.whole = True


def _sweep() -> None:
    """Remove those of processes that were killed; a cable goes with the namespace that it leads to."""
    said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    for name in re.findall(r"^fiona-\d+-\d+", said, re.MULTILINE):
        if not Path("/proc", name.split("-")[1]).exists():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
