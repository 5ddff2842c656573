"""Days of a hospital, a region or a nation, simulated from measured figures: what is busiest, how long studies take.

    python -m benchmarks.simulate [hospital region nation] [--days N] [--seed N] [--times X]
    python -m benchmarks.simulate mine --file mine.yaml --bench build/bench.json

`--times 2`: twice as many studies, with the same replicas. docs/scaling.md says what it leaves out.
"""

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.measure import percentile
from benchmarks.scale.capacity import MEASURED, Capacity
from benchmarks.scale.days import HOUR, Days, simulate
from benchmarks.scale.scenario import SCENARIOS, Scenario

NAMES: Final = ("hospital", "region", "nation")
WORKING_DAYS: Final = 250


def show(name: str, scenario: Scenario, days: int, outcome: Days, console: Console) -> None:
    """The stations by how busy they get, and what the place needs."""
    table = Table(
        "part", "units", "busiest hour", "full at", "wait, 95 %", "longest queue", title=f"{name}: {scenario.says}"
    )
    for station in sorted(outcome.stations.values(), key=lambda each: -each.utilisation()):
        used = station.utilisation()
        table.add_row(
            station.name,
            str(station.units),
            f"{100 * used:.1f} %",
            f"× {1 / used:.3g}" if used else "",
            f"{percentile(station.waited, 95):.2f} s",
            str(station.longest),
        )
    console.print(table)
    ready, indexed, year = outcome.until_acknowledged, outcome.until_indexed, WORKING_DAYS / days
    times = ", ".join(f"{percent} %: {percentile(ready, percent):.0f} s" for percent in (50, 95, 99))
    for line in (
        f"in the catalogue after the last image, 95 %: {percentile(indexed, 95):.1f} s",
        f"at the research PACS after the last image, {times}",
        f"a year: {outcome.megabytes * year / 1e6:.1f} TB in, {outcome.researched_mb * year / 1e6:.1f} TB out, "
        f"{outcome.instances * year / 1e6:.0f} million instances",
        f"at most {8 * max(outcome.came.values()) / HOUR:.0f} Mbit/s, {outcome.events / days:,.0f} events a day",
        "",
    ):
        console.print(line, highlight=False)


def main() -> None:
    """Simulate what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", default=list(NAMES))
    parser.add_argument("--file", type=Path, default=SCENARIOS)
    parser.add_argument("--bench", type=Path, default=MEASURED, help="the bench.json of a run of your own")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=float, default=1.0)
    options = parser.parse_args()
    console, capacity = Console(), Capacity.read(options.bench)
    console.print(f"costs: {capacity.source}\n")
    for name in options.name:
        scenario = Scenario.named(name, options.file)
        more = round(scenario.studies_per_day * options.times)
        scenario = scenario.model_copy(update={"studies_per_day": more})
        show(name, scenario, options.days, simulate(scenario, capacity, options.days, options.seed), console)


if __name__ == "__main__":
    main()
