"""Destinations that take a connection and say nothing, beside some that answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import REGISTRY

from services.monitor import metrics
from services.monitor.probes import Ground, certificates, clocks, disks, reach
from services.monitor.settings import MonitorSettings
from shared.bus.embedded import EmbeddedBus
from shared.database import Database
from shared.service import Context
from shared.service.health import Health
from shared.settings import Settings
from shared.store import Store
from shared.switches import Switches
from shared.tables import Destination

FOR_EVER = 3600.0
DARK = ("1", "2", "3")


@dataclass
class Dark:
    """A peer that takes connections and never says a word."""

    port: int = 0
    taken: int = 0


@asynccontextmanager
async def dark() -> AsyncIterator[Dark]:
    peer, over = Dark(), asyncio.Event()

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.taken += 1
        await over.wait()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        over.set()
        server.close()
        await server.wait_closed()


async def until(so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not so():
            await asyncio.sleep(0.02)


async def test_who_says_nothing_keeps_nobody_else_waiting(database: Database, store: Store) -> None:
    """The loop has few threads, which all of a process share: one, here."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    context = Context(Settings(data=store.root), store, EmbeddedBus(database), Health(), database)
    ground = Ground(context, MonitorSettings(echo_seconds=FOR_EVER), Switches(store))
    metrics.forget_all()
    store.root.mkdir(parents=True, exist_ok=True)
    async with dark() as peer:
        silent = {"url": f"https://127.0.0.1:{peer.port}/", "timeout": FOR_EVER}
        async with database.session() as session:
            session.add_all(Destination(name=name, kind="dicomweb", config=silent) for name in DARK)
            session.add(Destination(name="here", kind="folder", config={}))
        looks = [reach.look_at_destinations(ground), certificates.look(ground), clocks.look(ground)]
        looking = [asyncio.ensure_future(look) for look in looks]
        await until(lambda: peer.taken == len(looks) * len(DARK))
        answered = {"check": "destination", "subject": "here"}
        await until(lambda: REGISTRY.get_sample_value("fiona_monitor_echo_seconds", answered) is not None)
        assert not any(look.done() for look in looking)
        async with asyncio.timeout(60):
            assert [each.subject for each in await disks.look(ground)] == ["store"], "nor what needs a thread"
    echoed, shown, told = await asyncio.gather(*looking)
    assert {each.subject: each.state for each in echoed} == {**dict.fromkeys(DARK, "failing"), "here": "ok"}
    assert {each.state for each in (*shown, *told) if each.subject != "database"} == {None}
