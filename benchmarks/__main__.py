"""All benchmarks, one after the other: a table for people, JSON (and Markdown beside it) for comparing runs.

Usage: python -m benchmarks [NAME…] [--json FILE] [--quick]
Names: reception deidentification scoring sending road bus registry
"""

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import bus, deidentification, machine, reception, registry, road, scoring, sending
from benchmarks.answers import Action
from benchmarks.measure import Row, Stopwatch, row
from benchmarks.report import markdown, show
from tests.components import ComponentMissing, require

DEFAULT: Final = Path(__file__).parents[1] / "build" / "bench.json"


def received(rows: list[dict[str, Any]]) -> list[Row]:
    """Reception's rows, each peer beside the first server, which is ours."""
    ours = {each["load"]: each["instances_per_second"] for each in reversed(rows) if _is_ours(each["server"])}
    return [
        row(
            "reception",
            each["load"],
            each["server"],
            "instances/s",
            each["instances_per_second"],
            peer=not _is_ours(each["server"]),
            ratio=None if _is_ours(each["server"]) else ours[each["load"]] / each["instances_per_second"],
        )
        for each in rows
    ]


def deidentified(rows: list[dict[str, Any]]) -> list[Row]:
    """De-identification's rows: by the clock, then by CPU time, of which less is better."""
    fields = (
        ("CT series, one process", "instances/s", "instances_per_s", "ours_is_faster_by"),
        ("CT series, CPU per instance", "ms", "cpu_ms_per_instance", "ours_needs_less_cpu_by"),
    )
    return [
        row(
            "deidentification",
            case,
            each["contender"],
            unit,
            each[value],
            peer=not _is_ours(each["contender"]),
            ratio=None if _is_ours(each["contender"]) else each[ratio],
        )
        for case, unit, value, ratio in fields
        if value in rows[0]
        for each in rows
    ]


def scored(profiles: Iterable[str]) -> list[Row]:
    """The marks of each profile over the synthetic studies: of all checks, and of each action."""
    rows = []
    for name in profiles:
        result = scoring.score(scoring.PROFILES[name])
        for action in Action:
            if total := result.total[action]:
                passed = result.passed[action]
                rows.append(row("scoring", f"{name}: {action.value}", "FIONA", f"% of {total}", 100 * passed / total))
        total = sum(result.total.values())
        rows.append(row("scoring", f"{name}: all actions", "FIONA", f"% of {total}", 100 * result.overall))
    return rows


def _is_ours(name: str) -> bool:
    return name.lower().startswith("fiona")


@dataclass(frozen=True)
class Benchmark:
    """What it needs on the machine, how it is run, and how much it does in full and when in a hurry."""

    needs: tuple[str, ...]
    run: Callable[..., list[Row]]
    full: Mapping[str, Any]
    quick: Mapping[str, Any]


BENCHMARKS: Final[dict[str, Benchmark]] = {
    "reception": Benchmark(
        ("dcmtk", "orthanc"),
        lambda **how: received(reception.run(**how)),
        {"rounds": 3, "scale": 1.0},
        {"rounds": 1, "scale": 0.5},
    ),
    "deidentification": Benchmark(
        (),
        lambda **how: deidentified(deidentification.run(**how)),
        {"count": 300, "rounds": 3},
        {"count": 100, "rounds": 1},
    ),
    "scoring": Benchmark((), scored, {"profiles": tuple(scoring.PROFILES)}, {"profiles": ("research",)}),
    "sending": Benchmark(("dcmtk",), sending.run, {"rounds": 3, "count": 300}, {"rounds": 1, "count": 100}),
    "road": Benchmark(
        ("rabbitmq", "postgres", "orthanc", "dcmtk"),
        road.run,
        {"count": 400, "rounds": 3},
        {"count": 300, "rounds": 1},
    ),
    "bus": Benchmark(("rabbitmq", "postgres"), bus.run, {"count": 5000, "rounds": 3}, {"count": 1500, "rounds": 1}),
    "registry": Benchmark(("postgres",), registry.run, {"rounds": 40}, {"rounds": 10, "large": registry.SMALLER}),
}


def measure(name: str, quick: bool, console: Console) -> list[Row]:
    """The rows of one benchmark; when something that it needs is not there, a row that says so."""
    benchmark = BENCHMARKS[name]
    try:
        require(*benchmark.needs)
    except ComponentMissing as error:
        console.print(f"{name}: {error}", style="yellow")
        return [row(name, str(error), "not measured", "", None)]
    with Stopwatch() as watch:
        rows = benchmark.run(**(benchmark.quick if quick else benchmark.full))
    console.print(f"{name}: {watch.seconds:.0f} s", style="dim")
    return rows


def main() -> int:
    """Run what is named, or all; 1 when one of them broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*BENCHMARKS, []])
    parser.add_argument("--json", type=Path, default=DEFAULT)
    parser.add_argument("--quick", action="store_true", help="one round of less: is it all still in order?")
    asked = parser.parse_args()
    console = Console(width=150 if not sys.stdout.isatty() else None)
    about, rows, broken = machine.describe(), list[Row](), 0
    for name in asked.names or BENCHMARKS:
        try:
            rows += measure(name, asked.quick, console)
        except Exception:
            broken += 1
            console.print(f"{name} broke:\n{traceback.format_exc()}", style="red", markup=False)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps({"machine": about, "quick": asked.quick, "rows": rows}, indent=1) + "\n")
    asked.json.with_suffix(".md").write_text(markdown(rows))
    show(rows, console)
    console.print(f"{about['cores']} cores, {about['processor']}; a synced write takes {about['fdatasync_ms']} ms")
    console.print(", ".join(f"{name} {number}" for name, number in about["versions"].items()), style="dim")
    console.print(f"written to {asked.json}", style="dim")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
