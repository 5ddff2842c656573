"""On what a run was made: without it no figure means anything."""

import os
import platform
import re
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import cores, median
from tests.components.postgres import bin_folder
from tests.components.programs import find

LIBRARIES: Final = (
    "pydicom", "pynetdicom", "aio-pika", "asyncpg", "sqlalchemy", "uvloop", "dicom-anonymizer", "dicognito",
)  # fmt: skip
NUMBER: Final = re.compile(r"\d+\.\d+(\.\d+)?")


def describe() -> dict[str, Any]:
    """Cores, processor, memory, how long a synced write takes, how busy it was, and all versions."""
    return {
        "cores": cores(),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "fdatasync_ms": round(_fdatasync() * 1000, 2),
        "load_at_start": round(os.getloadavg()[0], 1),
        "versions": {"Python": platform.python_version(), **_libraries(), **_programs()},
    }


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _fdatasync() -> float:
    with tempfile.TemporaryFile() as file:
        times = []
        for _ in range(50):
            file.write(bytes(8192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return median(times)


def _libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _programs() -> dict[str, str]:
    postgres = bin_folder()
    asked = {
        "DCMTK": [find("storescp"), "--version"],
        "Orthanc": [find("Orthanc"), "--version"],
        "PostgreSQL": [str(postgres / "postgres") if postgres else None, "--version"],
        "GDCM": [find("gdcmanon"), "--version"],
    }
    brokers = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    said = {name: _ask(program, *options) for name, (program, *options) in asked.items()}
    return said | {"RabbitMQ": _number(brokers[-1].name) if brokers else "absent"}


def _ask(program: str | None, *options: str | None) -> str:
    if program is None:
        return "absent"
    done = subprocess.run([program, *filter(None, options)], capture_output=True, text=True, check=False)
    return _number(done.stdout + done.stderr)


def _number(text: str) -> str:
    found = NUMBER.search(text)
    return found[0] if found else "?"
