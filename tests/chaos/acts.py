"""Acts of malice, as data: what, how likely, and for how long. Each leaves its part running again, or nearly."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.world import World
from tests.components.network import Network
from tests.components.server import Server
from tests.system.gateway import SERVICES


@dataclass(frozen=True)
class Act:
    """`do` to `what`, lasting `seconds`, after a `pause`."""

    name: str
    what: str
    pause: float
    seconds: float


Do = Callable[[World, Act], None]


def _part(world: World, what: str) -> Server:
    parts: dict[str, Server] = {"broker": world.rabbitmq, "database": world.postgres, "destination": world.orthanc}
    if what in parts:
        return parts[what]
    process = world.gateway.processes[what]
    # The next act does not wait until it serves: it may be killed while it starts, too.
    process.wait_for_ready = False
    return process


def kill(world: World, act: Act) -> None:
    """kill -9, and away for a while."""
    _part(world, act.what).kill()
    time.sleep(act.seconds)
    _part(world, act.what).ensure()


def kill_all(world: World, act: Act) -> None:
    """The machine that the services run on has no power."""
    for name in SERVICES:
        _part(world, name).kill()
    time.sleep(act.seconds)
    for name in SERVICES:
        _part(world, name).start()


def restart(world: World, act: Act) -> None:
    """In good order, as an upgrade does."""
    _part(world, act.what).restart()


def freeze(world: World, act: Act) -> None:
    """It is there and does not answer."""
    _part(world, act.what).pause()
    time.sleep(act.seconds)
    _part(world, act.what).resume()


def partition(world: World, act: Act) -> None:
    """The cable is out: no answer, not even a refusal."""
    network: Network | None = world.broker_network if act.what == "broker" else world.database_network
    if network is None:
        freeze(world, act)
        return
    network.cut()
    time.sleep(act.seconds)
    network.mend()


def cut(world: World, act: Act) -> None:
    """Every connection to it ends at once."""
    if act.what == "broker":
        world.rabbitmq.close_connections()
    elif act.what == "database":
        world.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    else:
        world.cable.cut()


def slow(world: World, act: Act) -> None:
    """The line to the destination lets little through."""
    world.cable.slow(64 * 1024)
    time.sleep(act.seconds)
    world.cable.well()


def silence(world: World, act: Act) -> None:
    """The destination takes everything and answers nothing."""
    world.cable.silent()
    time.sleep(act.seconds)
    world.cable.well()


def refuse(world: World, act: Act) -> None:
    """The destination takes no connection."""
    world.cable.dead()
    time.sleep(act.seconds)
    world.cable.well()


def fill(world: World, act: Act) -> None:
    """There is no room left on the disk of the store, of the database, or of the broker."""
    ballast = world.fill(act.what)
    if ballast is None:
        return
    time.sleep(act.seconds)
    ballast.unlink()
    # PostgreSQL ends itself when it cannot write its log; whoever watches over it starts it again.
    world.postgres.ensure()
    if act.what == "rabbitmq":
        # The broker goes on, but some of its queues have no process any more until it is started again.
        world.rabbitmq.restart()


def clock(world: World, act: Act) -> None:
    """The services' clocks jump, and back."""
    world.set_clock(int(act.what))
    time.sleep(act.seconds)
    world.set_clock(0)


SERVICE = tuple(SERVICES)
BAD: dict[str, tuple[Do, int, tuple[str, ...], tuple[float, float]]] = {
    "kill": (kill, 8, SERVICE, (0, 2)),
    "kill the broker": (kill, 2, ("broker",), (0, 4)),
    "kill the database": (kill, 2, ("database",), (0, 4)),
    "kill the destination": (kill, 1, ("destination",), (0, 4)),
    "kill all services": (kill_all, 1, ("everything",), (0, 2)),
    "restart": (restart, 2, SERVICE, (0, 0)),
    "freeze": (freeze, 3, SERVICE, (1, 6)),
    "partition": (partition, 3, ("broker", "database"), (2, 10)),
    "cut": (cut, 3, ("broker", "database", "destination"), (0, 0)),
    "slow": (slow, 1, ("destination",), (3, 8)),
    "silence": (silence, 1, ("destination",), (2, 12)),
    "refuse": (refuse, 1, ("destination",), (2, 8)),
    "fill": (fill, 2, ("data", "postgres", "rabbitmq"), (2, 8)),
    "clock": (clock, 2, ("-7200", "-60", "60", "7200"), (2, 5)),
}
"""Name -> what to do, how likely, to what, and for how many seconds."""


def plan(seed: int, seconds: float) -> Iterator[Act]:
    """The same acts for the same seed: nothing that happens on the way changes them."""
    dice = random.Random(seed)
    names = list(BAD)
    weights = [likely for _, likely, _, _ in BAD.values()]
    spent = 0.0
    while spent < seconds:
        [name] = dice.choices(names, weights)
        _, _, what, (least, most) = BAD[name]
        act = Act(name, dice.choice(what), round(dice.uniform(0.2, 3), 1), round(dice.uniform(least, most), 1))
        spent += act.pause + act.seconds
        yield act


def perform(world: World, act: Act) -> None:
    """Wait, and do it."""
    time.sleep(act.pause)
    BAD[act.name][0](world, act)
