"""Where a program is: Debian keeps some out of an ordinary user's PATH, and pynetdicom has some of DCMTK's names."""

import os
import shutil
import sysconfig

_OURS = sysconfig.get_path("scripts")
_PATH = os.pathsep.join(
    [
        *(folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder != _OURS),
        *("/usr/local/sbin", "/usr/sbin", "/sbin"),
    ]
)


def find(program: str) -> str | None:
    """The program's path, or None."""
    return shutil.which(program, path=_PATH)


def absent(*programs: str) -> list[str]:
    """Those that are not on this machine."""
    return [program for program in programs if find(program) is None]
