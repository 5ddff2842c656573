"""One bad day: the load, the acts that the seed says, and the account; what came of it as data."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from tests.chaos.account import faults, removed_too_early, spoken
from tests.chaos.acts import BAD, Act, perform, plan
from tests.chaos.load import Load
from tests.chaos.loss import Loss
from tests.chaos.world import World
from tests.components import plain
from tests.components.process import LOOPBACK, ComponentError, wait_until
from tests.integration.redcap_setting import PROJECT


@dataclass
class Day:
    """What is to happen, and what came of it."""

    seed: int
    seconds: float
    senders: int = 3
    studies: int = 4
    images: int = 20
    patience: float = 300
    lose: str = ""
    """`database` or `both`: what is lost in the end, and comes back from a backup made in the middle."""
    acts: list[tuple[Act, str]] = field(default_factory=list)
    """Each with what came of it."""
    removals: int = 0
    faults: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def live(self, world: World, say: Any = print) -> "Day":
        """Go through it; the faults are what does not agree in the end."""
        started = time.monotonic()
        folder = world.folder / f"day-{self.seed}"
        # What was acknowledged on the days before is counted, too: nothing of it may change any more.
        load = Load(folder, world.gateway, PROJECT, self.senders, self.studies, self.images, self.seconds)
        # What the janitor removes after a backup is whole elsewhere, and missing here when that backup comes back.
        for words in () if self.lose else (("dry-run",), ("go", "--yes")):
            world.gateway.fiona("janitor", *words).check_returncode()
        loss = Loss(world, self.lose)
        backup_at = self.seconds / 2
        world.beside.start()
        with suppress(ComponentError):  # one of another schema waits for being replaced
            wait_until(world.beside.serves, 240, "the older version")
        with load:
            for act in plan(self.seed, self.seconds):
                if self.lose and backup_at and time.monotonic() - started > backup_at:
                    backup_at = 0
                    say(f"{time.monotonic() - started:7.1f} s  backup {loss.back_up()}")
                did = perform(world, act)
                self.acts.append((act, did))
                say(f"{time.monotonic() - started:7.1f} s  {act.name:22} {act.what:12} {act.seconds:4} {did or '-'}")
                self._look_at_removals(world, load)
            beside = _handled(world)
            world.heal()
            revived = world.revive_broker()
            mischief = time.monotonic() - started
            if self.lose:
                say(f"{time.monotonic() - started:7.1f} s  {self.lose} lost: {loss.strike()}")
            load.wait(self.patience)
            if self.lose:
                loss.reconcile(load)
                load.wait(self.patience)
        say(f"{time.monotonic() - started:7.1f} s  all {load.images} acknowledged, counting")
        self.faults += faults(world, load, self.patience) or spoken(world, restored=bool(self.lose))
        if not self.lose:
            with suppress(ComponentError):  # what is whole by now goes with the janitor's next round
                wait_until(lambda: bool(self._look_at_removals(world, load)), 60, "a removal", every=1)
        world.gateway.call("POST", "/janitor/stop")
        kinds = {name: [did for act, did in self.acts if act.name == name] for name in BAD}
        self.figures = {
            "instances": load.images,
            "associations broken": load.broken,
            "refused": [f"{status:04X}" for status in sorted(set(load.refused))],
            "acts": {name: len(dids) for name, dids in kinds.items() if dids},
            "acts without effect": dict(Counter(act.name for act, did in self.acts if not did)),
            "removed by the janitor": self.removals,
            "handled by an older version": beside,
            "broker at the end": revived or "well",
            "seconds of mischief": round(mischief, 1),
            "seconds until all agreed": round(time.monotonic() - started - mischief, 1),
        }
        return self

    def _look_at_removals(self, world: World, load: Load) -> int:
        """Nothing may have gone that is not at the destination: looked at whenever both can be asked. How much has."""
        with suppress(ComponentError, httpx.HTTPError):
            self.removals, wrong = removed_too_early(world, load)
            self.faults += wrong
        return self.removals

    def report(self) -> dict[str, Any]:
        """For a file."""
        plan = [asdict(act) | {"did": did} for act, did in self.acts]
        return {"seed": self.seed, "faults": self.faults, **self.figures, "plan": plan}


def _handled(world: World) -> int:
    """Messages that the process of an earlier version has handled since it was last started."""
    with suppress(httpx.HTTPError):
        page = plain.get(f"http://{LOOPBACK}:{world.beside.health_port}/metrics", timeout=60).text
        lines = [line for line in page.splitlines() if line.startswith("fiona_service_handled_total")]
        return int(sum(float(line.rpartition(" ")[2]) for line in lines))
    return 0
