"""Where a program is: Debian keeps some of them out of an ordinary user's PATH."""

import os
import shutil

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def find(program: str) -> str | None:
    """The program's path, or None."""
    return shutil.which(program, path=_PATH)


def absent(*programs: str) -> list[str]:
    """Those that are not on this machine."""
    return [program for program in programs if find(program) is None]
