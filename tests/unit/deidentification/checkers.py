"""Other people's programs as judges of what was written; a machine that must have one (CI) fails without it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import gdcm
from pydicom.datadict import tag_for_keyword

from deidentification.standard import tables

# What dciodvfy says of a file that it cannot read, such as a deflated one.
UNREAD: Final = "Error - Dicom dataset read failed"
PLACE: Final = re.compile(r"(?:Element|Module)=<(\w+)>")
# The table removes these whatever their Type is in the IOD.
REMOVED: Final = frozenset(row.tag for row in tables.attributes() if row.basic == "X")


@cache
def program(name: str) -> str | None:
    """Where it is."""
    found = shutil.which(name)
    assert found or os.environ.get("CI") != "true", f"{name} is not installed"
    return found


def run(name: str, *arguments: str | Path) -> str:
    """What a program says; nothing when it is not there."""
    path = program(name)
    if path is None:
        return ""
    done = subprocess.run([path, *map(str, arguments)], capture_output=True, check=False, timeout=120)
    return (done.stdout + done.stderr).decode("latin-1")


def unreadable_by_dcmtk(paths: Iterable[Path]) -> set[Path]:
    """Which ones dcmdump cannot load; it stops at no error but names the file."""
    said = run("dcmdump", "+P", "0010,0020", *paths)
    return {path for path in paths if f"reading file: {path}" in said}


def readable_by_gdcm(path: Path) -> bool:
    """Whether GDCM takes the whole file."""
    reader = gdcm.Reader()
    reader.SetFileName(str(path))
    return bool(reader.Read())


def new_errors(before: Path, after: Path) -> set[str]:
    """What dciodvfy finds in the result and not in the source, but for what the table itself removes."""
    old = _errors(before)
    return set() if UNREAD in old else {error for error in _errors(after) - old if not _by_the_table(error)}


def _errors(path: Path) -> set[str]:
    """The errors without values: attribute and module, or the sentence; absent and empty are one."""
    lines = (line for line in run("dciodvfy", path).splitlines() if line.startswith("Error"))
    return {_of(line) for line in lines}


def _of(line: str) -> str:
    if "Element=" in line:
        return " ".join(PLACE.findall(line))
    return line if line == UNREAD else re.sub(r"[\d.]+|<[^<>]*>|\[[^]]*\]", "#", line)


def _by_the_table(error: str) -> bool:
    tag = tag_for_keyword(error.split(" ")[0])
    return tag is not None and f"{tag:08X}" in REMOVED
