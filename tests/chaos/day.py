"""One bad day: the load, the acts that the seed says, and the account; what came of it as data."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.chaos.account import faults
from tests.chaos.acts import BAD, Act, perform, plan
from tests.chaos.load import Load
from tests.chaos.world import PROJECT, World


@dataclass
class Day:
    """What is to happen, and what came of it."""

    seed: int
    seconds: float
    senders: int = 3
    studies: int = 4
    images: int = 20
    patience: float = 300
    acts: list[Act] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def live(self, world: World, say: Any = print) -> "Day":
        """Go through it; the faults are what does not agree in the end."""
        started = time.monotonic()
        folder = world.folder / f"day-{self.seed}"
        # What was acknowledged on the days before is counted, too: nothing of it may change any more.
        load = Load(folder, world.gateway, PROJECT, self.senders, self.studies, self.images, self.seconds)
        with load:
            for act in plan(self.seed, self.seconds):
                say(f"{time.monotonic() - started:7.1f} s  {act.name:22} {act.what} {act.seconds or ''}")
                self.acts.append(act)
                perform(world, act)
            world.heal()
            mischief = time.monotonic() - started
            load.wait(self.patience)
        say(f"{time.monotonic() - started:7.1f} s  all {load.images} acknowledged, counting")
        self.faults = faults(world, load, self.patience)
        kinds = {name: sum(act.name == name for act in self.acts) for name in BAD}
        self.figures = {
            "instances": load.images,
            "associations broken": load.broken,
            "refused": [f"{status:04X}" for status in sorted(set(load.refused))],
            "acts": {name: number for name, number in kinds.items() if number},
            "seconds of mischief": round(mischief, 1),
            "seconds until all agreed": round(time.monotonic() - started - mischief, 1),
        }
        return self

    def report(self) -> dict[str, Any]:
        """For a file."""
        return {"seed": self.seed, "faults": self.faults, **self.figures, "plan": [asdict(act) for act in self.acts]}
