"""`make chaos SEED=… MINUTES=…`: a bad day on real parts, and a report of it."""

import argparse
import json
import random
import signal
import sys
from pathlib import Path

from tests.chaos.day import Day
from tests.chaos.world import world

REPORT = Path("build/chaos.json")


def main() -> int:
    """1 when something does not agree in the end; then the same seed does the same again."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the same acts again")
    parser.add_argument("--minutes", type=float, default=5, help="of mischief")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--studies", type=int, default=None, help="of each sender; two a minute by default")
    parser.add_argument("--images", type=int, default=40, help="of each study")
    parser.add_argument("--beside", type=Path, default=None, help="a checkout of an earlier version of the same schema")
    parser.add_argument("--lose", choices=("database", "both"), default="", help="then restore a backup of the day")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1_000_000)
    studies = given.studies or max(2, round(given.minutes * 2))
    day = Day(seed, given.minutes * 60, given.senders, studies, given.images, patience=900, lose=given.lose)
    # Stopped from outside, it takes its namespaces, disks and processes with it, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"seed {seed}: {given.minutes:g} minutes, {given.senders} senders, {studies} studies each")
    with world(given.beside, keep_logs=True) as the_world:
        if the_world.broker_network is None:
            print("no network namespaces here: parts are frozen where they would be cut off")
        day.live(the_world)
        if day.faults:
            for process in the_world.gateway.processes.values():
                print(f"--- {process.name}\n{process.process.tail(10)}")
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps(day.report(), indent=2))
    print("\n".join(f"{what:26} {figure}" for what, figure in day.figures.items()))
    for fault in day.faults:
        print(f"FAULT  {fault}")
    print(f"seed {seed}: " + ("again with SEED=" + str(seed) if day.faults else "everything agrees"))
    return int(bool(day.faults))


if __name__ == "__main__":
    sys.exit(main())
