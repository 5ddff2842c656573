"""Small disks of their own, where this machine lets us mount one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[bool]:
    """A tmpfs on a folder that is there; whether it could be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield done
    finally:
        if done:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs; skips where mounting is not allowed, and fails where it has to be."""
    folder.mkdir(parents=True)
    with mounted(folder, megabytes) as done:
        if not done and os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("cannot mount a tmpfs")
        if not done:
            pytest.skip("mounting a tmpfs needs root")
        yield folder


def fill(path: Path) -> None:
    """Take all space that is left, to the last byte."""
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
