"""What the last gate costs: microseconds per instance on one CT series, and its share of the whole de-identification.

Usage: python -m benchmarks.gate [--count N] [--rounds N]
The calls of a real run are recorded and repeated. Beside them the plain way: every needle looked for by itself.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import cached, ct_series
from deidentification import BASIC, CannotDeidentify, LeftOut, Subject, deidentify_all
from deidentification.gate import forms, gate

SUBJECT: Final = Subject("BENCH", "BENCH001", "baseline", bytes(range(32)))
Call = tuple[Any, ...]


def deidentified(files: list[Path], target: Path) -> float:
    """Seconds of CPU for the whole series, gate and fsync included."""
    before = time.process_time()
    for result in deidentify_all(files, target, SUBJECT, BASIC):
        if isinstance(result, CannotDeidentify | LeftOut):
            raise result
    return time.process_time() - before


def recorded(files: list[Path], target: Path) -> tuple[list[Call], list[Call]]:
    """The arguments of every call of `needles` and of `verify` in a real run."""
    wanted: list[Call] = []
    checked: list[Call] = []
    real_needles, real_verify = gate.needles, gate.verify

    def needles(identifying: Any, inserted: Any, dates: Any, *rest: Any) -> gate.Needles:
        wanted.append((set(identifying), tuple(inserted), set(dates), *rest))
        return real_needles(identifying, inserted, dates, *rest)

    def verify(*arguments: Any) -> None:
        checked.append(arguments)
        real_verify(*arguments)

    with mock.patch.object(gate, "needles", needles), mock.patch.object(gate, "verify", verify):
        deidentified(files, target)
    return wanted, checked


def microseconds(job: Callable[..., object], calls: list[Call], rounds: int) -> float:
    """What one call takes in the best round: other work on the machine is not the gate's."""
    taken = []
    for _ in range(rounds):
        before = time.perf_counter()
        for arguments in calls:
            job(*arguments)
        taken.append(time.perf_counter() - before)
    return 1e6 * min(taken) / len(calls)


def cold(*arguments: Any) -> None:
    """The first instance of a series by people nobody has met."""
    gate._index.cache_clear()
    forms.forms.cache_clear()
    gate.needles(*arguments)


def one_by_one(written: bytes, *arguments: Any) -> bool:
    """The plain way to search: as many passes as needles."""
    haystack = written.upper()
    return any(needle.form in haystack for needle in arguments[3].index.needles)


def run(count: int = 200, rounds: int = 5) -> list[tuple[str, str]]:
    """Pairs of what was measured and the figure."""
    files = cached(ct_series, count)
    with tempfile.TemporaryDirectory() as folder:
        deidentified(files[:5], Path(folder))
        wanted, checked = recorded(files, Path(folder))
        whole = 1e6 * min(deidentified(files, Path(folder)) for _ in range(rounds)) / count
    needles = microseconds(gate.needles, wanted, rounds)
    verify = microseconds(gate.verify, checked, rounds)
    plain = microseconds(one_by_one, checked, rounds)
    first = microseconds(cold, wanted[:10], rounds)
    return [
        ("bytes of the header", f"{len(checked[0][0])}"),
        ("needles, without UIDs", f"{len(checked[0][4].index.needles)}"),
        ("making the needles, µs per instance", f"{needles:.1f}"),
        ("carriers and search, µs per instance", f"{verify:.1f}"),
        ("the gate, µs per instance", f"{needles + verify:.1f}"),
        ("the same needles one by one, µs", f"{plain:.1f}"),
        ("first instance of a series, µs more", f"{first:.0f}"),
        ("whole de-identification, µs of CPU per instance", f"{whole:.0f}"),
        ("share of the gate", f"{100 * (needles + verify) / whole:.1f} %"),
    ]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    table = Table("what", "figure", title="The last gate, CT")
    for name, figure in run(options.count, options.rounds):
        table.add_row(name, figure)
    Console().print(table)


if __name__ == "__main__":
    main()
