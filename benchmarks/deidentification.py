"""De-identification per core beside peers, interleaved in one run: instances per second on one CT series.

Usage: python -m benchmarks.deidentification [--json FILE] [--count N] [--rounds N] [--parts]
Ours runs as in production: one process, gate and fsync included. Peers that are not installed are named, not failed.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import cached, ct_series
from deidentification import BASIC, CannotDeidentify, LeftOut, Subject, committing, deidentify_all, instance, writing
from deidentification.gate import gate
from deidentification.job import Job as Series
from deidentification.pixels import copying

Job = Callable[[list[Path], Path], None]
SUBJECT: Final = Subject("BENCH", "BENCH001", "baseline", bytes(range(32)))
EMPTIED: Final = ("0008,0050", "0008,0090", "0010,0030", "0010,0040", "0020,0010")
REPLACED: Final = (
    *(f"{tag}=BENCH001" for tag in ("0010,0010", "0010,0020", "0008,0080", "0008,1010")),
    *(f"{tag}=20210101" for tag in ("0008,0012", "0008,0020", "0008,0021", "0008,0022", "0008,0023")),
    *(f"{tag}=2.25.1234567890" for tag in ("0008,0018", "0020,000d", "0020,000e", "0020,0052")),
)
ERASED: Final = (
    "0008,0081", "0008,1030", "0008,103e", "0008,1040", "0008,1050", "0008,1070", "0010,1010", "0010,1040",
    "0010,1000", "0010,4000", "0018,1000", "0018,1030",
)  # fmt: skip


def ours(files: list[Path], target: Path) -> None:
    """The engine with its gate and fsync."""
    for result in deidentify_all(files, target, SUBJECT, BASIC):
        if isinstance(result, CannotDeidentify | LeftOut):
            raise result


def kept_in_memory(fd: int) -> None:
    """Instead of a sync: nothing."""


def ours_without_fsync(files: list[Path], target: Path) -> None:
    """The engine as the peers run: the kernel may keep the result in memory."""
    with patch.object(os, "fsync", kept_in_memory), patch.object(committing, "start_writing_back", kept_in_memory):
        ours(files, target)


def dicom_anonymizer(files: list[Path], target: Path) -> None:
    """PyPI dicom-anonymizer through its own function, private attributes deleted."""
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file

    for file in files:
        anonymize_dicom_file(str(file), str(target / file.name), delete_private_tags=True)


def dicognito(files: list[Path], target: Path) -> None:
    """PyPI dicognito through its own class."""
    import pydicom
    from dicognito.anonymizer import Anonymizer

    anonymizer = Anonymizer()
    for file in files:
        data = pydicom.dcmread(file)
        anonymizer.anonymize(data)
        data.save_as(target / file.name)


def dcmodify(files: list[Path], target: Path) -> None:
    """DCMTK dcmodify: copies, then thirty edits in place, one process for all files."""
    copies = [shutil.copyfile(file, target / file.name) for file in files]
    edits = [part for edit in (*(f"{tag}=" for tag in EMPTIED), *REPLACED) for part in ("-m", edit)]
    edits += [part for tag in ERASED for part in ("-e", tag)]
    subprocess.run(["dcmodify", "-nb", "-imt", "-ie", *edits, *map(str, copies)], check=True, capture_output=True)


def gdcmanon(files: list[Path], target: Path) -> None:
    """GDCM gdcmanon --dumb: the same edits over a folder."""
    edits = [part for edit in REPLACED for part in ("--replace", edit)]
    edits += [part for tag in EMPTIED for part in ("--empty", tag)]
    edits += [part for tag in ERASED for part in ("--remove", tag)]
    command = ["gdcmanon", "--dumb", *edits, "-i", str(files[0].parent), "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)


def cp(files: list[Path], target: Path) -> None:
    """cp of the same files."""
    subprocess.run(["cp", *map(str, files), str(target)], check=True)


CONTENDERS: Final[dict[str, tuple[Job, Callable[[], object]]]] = {
    "fiona (gate, fsync)": (ours, lambda: True),
    "fiona (gate, no fsync)": (ours_without_fsync, lambda: True),
    "dicom-anonymizer": (dicom_anonymizer, lambda: importlib.util.find_spec("dicomanonymizer")),
    "dicognito": (dicognito, lambda: importlib.util.find_spec("dicognito")),
    "dcmodify, 30 edits": (dcmodify, lambda: shutil.which("dcmodify")),
    "gdcmanon --dumb, 30 edits": (gdcmanon, lambda: shutil.which("gdcmanon")),
    "cp": (cp, lambda: shutil.which("cp")),
}


def timed(job: Job, files: list[Path], base: Path) -> tuple[float, float]:
    """Seconds by the clock and of CPU, of one job into a fresh folder beside the corpus (the same file system)."""
    with tempfile.TemporaryDirectory(dir=base) as target:
        os.sync()
        start, before = time.perf_counter(), sum(os.times()[:4])
        job(files, Path(target))
        return time.perf_counter() - start, sum(os.times()[:4]) - before


def run(count: int = 300, rounds: int = 3) -> list[dict[str, Any]]:
    """Medians of interleaved rounds; absent peers have None.

    Per contender: instances/s, MB/s and CPU milliseconds per instance, and how many times ours is faster by either:
    with fsync, which no peer does, and as the peers run, without.
    """
    files = cached(ct_series, count)
    size = sum(file.stat().st_size for file in files) / 1e6
    base = files[0].parents[2] / "scratch"
    base.mkdir(parents=True, exist_ok=True)
    present = {name: job for name, (job, there) in CONTENDERS.items() if there()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in present}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours(files[:5], base / "warm")
        shutil.rmtree(base / "warm")
        for _ in range(rounds):
            for name, job in present.items():
                taken[name].append(timed(job, files, base))
    clock, cpu = ({name: statistics.median(pair[i] for pair in taken[name]) for name in present} for i in (0, 1))
    first, second = list(present)[:2]
    return [
        {
            "contender": name,
            "instances_per_s": round(count / clock[name], 1) if name in clock else None,
            "mb_per_s": round(size / clock[name], 1) if name in clock else None,
            "cpu_ms_per_instance": round(1000 * cpu[name] / count, 2) if name in clock else None,
            "ours_is_faster_by": round(clock[name] / clock[first], 2) if name in clock else None,
            "ours_needs_less_cpu_by": round(cpu[name] / cpu[first], 2) if name in clock else None,
            "ours_without_fsync_is_faster_by": round(clock[name] / clock[second], 2) if name in clock else None,
        }
        for name in CONTENDERS
    ]


# Where the time of one instance goes: label -> the functions that are measured for it.
PARTS: Final[dict[str, tuple[tuple[Any, str], ...]]] = {
    "walk the header": ((Series, "walked"),),
    "decide over object and pixels": ((Series, "decided"), (copying, "located")),
    "gate: what to look for": ((gate, "needles"),),
    "gate: read back and look": ((gate, "verify"),),
    "write header and pixels": ((instance, "write"),),
    "of that the kernel's copy": ((writing, "_write_mapped"),),
}


def parts(count: int = 300, rounds: int = 5) -> list[tuple[str, float]]:
    """Microseconds per instance of each part and of the whole, without fsync; the best of `rounds`."""
    files = cached(ct_series, count)
    base = files[0].parents[2] / "scratch"
    base.mkdir(parents=True, exist_ok=True)
    spent: dict[str, float] = {}
    originals = [(holder, name, getattr(holder, name)) for part in PARTS.values() for holder, name in part]

    def watched(label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **more)
            finally:
                spent[label] = spent.get(label, 0.0) + time.perf_counter() - start

        return call

    try:
        for label, part in PARTS.items():
            for holder, name in part:
                setattr(holder, name, watched(label, getattr(holder, name)))
        best: dict[str, float] = {}
        for _ in range(rounds):
            spent.clear()
            whole, _ = timed(ours_without_fsync, files, base)
            if whole < best.get("whole", whole + 1):
                best = {**spent, "whole": whole}
    finally:
        for holder, name, function in originals:
            setattr(holder, name, function)
    # The gate reads back inside of `write`.
    best["write header and pixels"] -= best["gate: read back and look"]
    return [(label, 1e6 * best[label] / count) for label in (*PARTS, "whole")]


def main() -> None:
    """Run, print the table, write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", action="store_true", help="where the time of one instance goes")
    options = parser.parse_args()
    if options.parts:
        table = Table("part", "µs/instance", title="De-identification of one CT slice")
        for label, microseconds in parts(options.count, options.rounds):
            table.add_row(label, f"{microseconds:.0f}")
        Console().print(table)
        return
    rows = run(options.count, options.rounds)
    heads = ("contender", "instances/s", "MB/s", "CPU ms/instance", "ours is faster by", "less CPU by", "no fsync")
    table = Table(*heads, title="De-identification, one process, CT")
    for row in rows:
        cells = list(row.values())[1:]
        table.add_row(row["contender"], *("not installed" if cell is None else str(cell) for cell in cells))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
