"""Acts of malice, as data: what, how likely, and for how long. Each leaves its part running again, or nearly, and says
what came of it: an act that says nothing has done nothing."""

import errno
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.world import World
from tests.components.network import Network
from tests.components.process import accepts
from tests.components.server import Server
from tests.system.gateway import ALL


@dataclass(frozen=True)
class Act:
    """`do` to `what`, lasting `seconds`, after a `pause`."""

    name: str
    what: str
    pause: float
    seconds: float


Do = Callable[[World, Act], str]


def _part(world: World, what: str) -> Server:
    parts: dict[str, Server] = {"broker": world.rabbitmq, "database": world.postgres, "destination": world.orthanc}
    if what in parts:
        return parts[what]
    process = world.beside if what == "beside" else world.gateway.processes[what]
    # The next act does not wait until it serves: it may be killed while it starts, too.
    process.wait_for_ready = False
    return process


def _killed(part: Server) -> int:
    was = part.running
    part.kill()
    return int(was)


def kill(world: World, act: Act) -> str:
    """kill -9, and away for a while."""
    killed = _killed(_part(world, act.what))
    time.sleep(act.seconds)
    _part(world, act.what).ensure()
    return "killed" if killed else ""


def kill_all(world: World, act: Act) -> str:
    """The machine that the services run on has no power."""
    killed = sum(_killed(_part(world, name)) for name in ALL)
    time.sleep(act.seconds)
    for name in ALL:
        _part(world, name).start()
    return f"{killed} killed" if killed else ""


def restart(world: World, act: Act) -> str:
    """In good order, as an upgrade does."""
    part = _part(world, act.what)
    was = part.running
    part.restart()
    return "ended and started" if was else ""


def freeze(world: World, act: Act) -> str:
    """It is there and does not answer."""
    part = _part(world, act.what)
    if not part.running:
        part.ensure()
        return ""
    part.pause()
    time.sleep(act.seconds)
    part.resume()
    return "frozen"


def partition(world: World, act: Act) -> str:
    """The cable is out: no answer, not even a refusal."""
    network: Network | None = world.broker_network if act.what == "broker" else world.database_network
    if network is None:
        return freeze(world, act)
    part = world.rabbitmq if act.what == "broker" else world.postgres
    network.cut()
    reached = accepts(part.port, part.host)
    time.sleep(act.seconds)
    network.mend()
    return "" if reached else "not reached"


def cut(world: World, act: Act) -> str:
    """Every connection to it ends at once."""
    if act.what == "broker":
        ended = world.rabbitmq.close_connections()
    elif act.what == "database":
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        ended = len(world.postgres.sql(f"SELECT pg_terminate_backend(pid) {others}").splitlines())
    else:
        ended = world.cable.cut()
    return f"{ended} connections ended" if ended else ""


def slow(world: World, act: Act) -> str:
    """The line to the destination lets little through."""
    before = world.cable.passed
    world.cable.slow(64 * 1024)
    time.sleep(act.seconds)
    world.cable.well()
    passed = world.cable.passed - before
    return f"{passed} bytes crept" if passed else ""


def silence(world: World, act: Act) -> str:
    """The destination takes everything and answers nothing."""
    before = world.cable.held
    world.cable.silent()
    time.sleep(act.seconds)
    held = world.cable.held - before
    world.cable.well()
    return f"{held} connections or answers held" if held else ""


def refuse(world: World, act: Act) -> str:
    """The destination takes no connection."""
    before = world.cable.refused
    world.cable.dead()
    time.sleep(act.seconds)
    world.cable.well()
    refused = world.cable.refused - before
    return f"{refused} connections refused" if refused else ""


def fill(world: World, act: Act) -> str:
    """There is no room left on the disk of the store, of the database, or of the broker."""
    ballast = world.fill(act.what)
    if ballast is None:
        return ""
    full = _no_room(world, act.what)
    time.sleep(act.seconds)
    ballast.unlink()
    # PostgreSQL ends itself when it cannot write its log; whoever watches over it starts it again.
    ended = not world.postgres.running
    world.postgres.ensure()
    if act.what == "rabbitmq":
        # The broker goes on, but some of its queues have no process any more until it is started again.
        world.rabbitmq.restart()
    return ("no byte left" + (", the database ended" if ended else "")) if full else ""


def _no_room(world: World, disk: str) -> bool:
    crumb = world.folder / disk / "crumb"
    try:
        crumb.write_bytes(bytes(4096))
    except OSError as error:
        return error.errno == errno.ENOSPC
    finally:
        crumb.unlink(missing_ok=True)
    return False


def clock(world: World, act: Act) -> str:
    """The services' clocks jump, and back."""
    world.set_clock(int(act.what))
    time.sleep(act.seconds)
    misled = world.misled()
    world.set_clock(0)
    return f"{misled} processes went by it" if misled else ""


def redcap(world: World, act: Act) -> str:
    """REDCap is away, busy, in maintenance, or breaks off in the middle of an import."""
    world.redcap.mode = act.what
    before = world.redcap.asked
    time.sleep(act.seconds)
    world.redcap.mode = "ok"
    asked = world.redcap.asked - before
    return f"{asked} calls met it" if asked else ""


SERVICE = (*ALL, "beside")
BAD: dict[str, tuple[Do, int, tuple[str, ...], tuple[float, float]]] = {
    "kill": (kill, 10, SERVICE, (0, 2)),
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
    "redcap": (redcap, 1, ("away", "busy", "maintenance", "half"), (2, 8)),
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


def perform(world: World, act: Act) -> str:
    """Wait, and do it; what came of it."""
    time.sleep(act.pause)
    return BAD[act.name][0](world, act)
