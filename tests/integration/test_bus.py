"""One behaviour, two transports: every test here runs on the embedded bus and on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path

import aio_pika
import pytest
from structlog.testing import capture_logs
from yarl import URL

from shared.bus import Again, Bury, Bus, BusUnavailable, Delivery, Done, Fate, Message, RetryTiers
from shared.bus.connections import Connection
from shared.bus.embedded import EmbeddedBus
from shared.bus.rabbitmq import RabbitBus
from shared.database import Database
from shared.events import AssociationClosed, SeriesArrived, TransferCompleted
from shared.topology import queue, queues
from tests.components.process import free_port
from tests.components.rabbitmq import RabbitMQ

CLOSED = queue("indexer", AssociationClosed)
TIERS = RetryTiers((0.3, 0.6))
Reopen = Callable[[], Bus]


@pytest.fixture(params=["embedded", "rabbitmq"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Open the same bus as often as wanted: each is another process's view of it."""
    opened: list[Bus] = []
    databases: list[Database] = []
    if request.param == "rabbitmq":
        url: str = request.getfixturevalue("rabbitmq_vhost")

        def one() -> Bus:
            opened.append(RabbitBus(url, TIERS, reconnect=0.2, settling=0))
            return opened[-1]
    else:
        database = Database(f"sqlite+aiosqlite:///{tmp_path / 'bus.sqlite'}")
        await database.migrate()

        def one() -> Bus:
            databases.append(Database(f"sqlite+aiosqlite:///{tmp_path / 'bus.sqlite'}"))
            opened.append(EmbeddedBus(databases[-1], TIERS, poll=0.1))
            return opened[-1]

        databases.append(database)
    yield one
    for bus in opened:
        await bus.close()
    for each in databases:
        await each.close()


@pytest.fixture
async def bus(reopen: Reopen) -> Bus:
    return reopen()


@cache
def closed(number: int = 1) -> Message:
    """The same message each time that it is asked for."""
    return Message.of(AssociationClosed(association=f"a{number}", instances=number))


class Listener:
    """Answers deliveries with the given fates, then with Done, and remembers what it saw."""

    def __init__(self, *fates: Fate) -> None:
        self.fates = list(fates)
        self.seen: list[Delivery] = []
        self.at: list[float] = []

    async def __call__(self, delivery: Delivery) -> Fate:
        self.seen.append(delivery)
        self.at.append(asyncio.get_running_loop().time())
        return self.fates.pop(0) if self.fates else Done()

    async def until(self, count: int, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while len(self.seen) < count:
                await asyncio.sleep(0.02)


async def dead_count(bus: Bus, wanted: int) -> None:
    async with asyncio.timeout(60):
        while len(await bus.dead()) != wanted:
            await asyncio.sleep(0.1)


async def test_delivers_the_envelope_as_it_was_published(bus: Bus) -> None:
    message, listener = closed(), Listener()
    async with bus.consume(CLOSED, listener, 4):
        await bus.publish([message])
        await listener.until(1)
    assert listener.seen == [Delivery(CLOSED, message, 0)]
    assert listener.seen[0].message.event() == AssociationClosed(association="a1", instances=1)


async def test_published_before_anybody_listens_waits(bus: Bus, reopen: Reopen) -> None:
    await bus.publish([closed(n) for n in range(5)])
    listener = Listener()
    async with reopen().consume(CLOSED, listener, 2):
        await listener.until(5)
    assert {delivery.message.id for delivery in listener.seen} == {closed(n).id for n in range(5)}


async def test_every_listener_gets_its_copy(bus: Bus) -> None:
    event = SeriesArrived(study_instance_uid="1", series_instance_uid="1.2", revision=1, instances=1, total=1)
    homes = queues(SeriesArrived.name)
    listeners = {home: Listener() for home in homes}
    async with AsyncExitStack() as stack:
        for home, listener in listeners.items():
            await stack.enter_async_context(bus.consume(home, listener, 1))
        await bus.publish([Message.of(event)])
        for listener in listeners.values():
            await listener.until(1)
    assert await bus.depths() == dict.fromkeys(await bus.depths(), 0)


async def test_an_event_without_listeners_is_no_error(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.topology.SUBSCRIPTIONS", {})
    await bus.publish([Message.of(TransferCompleted(transfer="t", delivered=1, quarantined=0, counted=1))])


async def test_a_failure_rests_and_comes_again_with_its_tries_counted(bus: Bus) -> None:
    listener = Listener(Again("not yet"), Again("not yet"))
    async with bus.consume(CLOSED, listener, 4):
        await bus.publish([closed()])
        await listener.until(3)
    assert [delivery.tries for delivery in listener.seen] == [0, 1, 2]
    assert listener.at[1] - listener.at[0] >= 0.29
    assert listener.at[2] - listener.at[1] >= 0.59
    assert await bus.dead() == []


async def test_after_the_last_tier_it_is_dead_and_says_where_and_why(bus: Bus) -> None:
    listener = Listener(*[Again("broken thing")] * 3)
    async with bus.consume(CLOSED, listener, 4):
        await bus.publish([closed()])
        await listener.until(3)
        await dead_count(bus, 1)
    (letter,) = await bus.dead()
    assert (letter.queue, letter.message, letter.reason) == (CLOSED, closed(), "broken thing")
    assert letter.tries == 3


async def test_an_asked_delay_is_nobodys_failure(bus: Bus) -> None:
    listener = Listener(*[Again("destination down", delay=0.2)] * 4)
    async with bus.consume(CLOSED, listener, 4):
        await bus.publish([closed()])
        await listener.until(5)
    assert {delivery.tries for delivery in listener.seen} == {0}
    assert listener.at[1] - listener.at[0] >= 0.19
    assert await bus.dead() == []


async def test_the_buried_can_be_listed_replayed_and_dropped(bus: Bus, reopen: Reopen) -> None:
    listener = Listener(Bury("never"), Bury("never"))
    async with bus.consume(CLOSED, listener, 1):
        await bus.publish([closed(1), closed(2)])
        await listener.until(2)
        await dead_count(bus, 2)
        first, second = (await bus.dead())[:2]
        other = reopen()
        assert {letter.id for letter in await other.dead()} == {first.id, second.id}
        assert await other.replay(first.id)
        await listener.until(3)
        assert listener.seen[2] == Delivery(CLOSED, first.message, 0)
        assert await other.drop(second.id)
        assert not await other.drop(second.id)
        assert not await other.replay("nowhere:nothing")
    assert await bus.dead() == []


async def test_the_dead_survive_a_restart(bus: Bus, reopen: Reopen) -> None:
    listener = Listener(Bury("never"))
    async with bus.consume(CLOSED, listener, 1):
        await bus.publish([closed()])
        await dead_count(bus, 1)
    await bus.close()
    assert [letter.message for letter in await reopen().dead()] == [closed()]


async def test_a_handler_that_raises_is_tried_again(bus: Bus) -> None:
    tries: list[int] = []

    async def fragile(delivery: Delivery) -> Fate:
        tries.append(delivery.tries)
        if len(tries) == 1:
            raise RuntimeError("boom")
        return Done()

    async with bus.consume(CLOSED, fragile, 1):
        await bus.publish([closed()])
        async with asyncio.timeout(60):
            while len(tries) < 2:
                await asyncio.sleep(0.02)
    assert tries == [0, 1]


async def test_no_more_than_prefetch_are_in_hand(bus: Bus) -> None:
    going = most = handled = 0
    full = asyncio.Event()

    async def slow(_: Delivery) -> Fate:
        nonlocal going, most, handled
        going += 1
        most = max(most, going)
        if going == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.05)
        going -= 1
        handled += 1
        return Done()

    async with bus.consume(CLOSED, slow, 3):
        await bus.publish([closed(n) for n in range(12)])
        async with asyncio.timeout(60):
            while handled < 12:
                await asyncio.sleep(0.02)
    assert most == 3


async def test_leaving_finishes_what_is_in_hand(bus: Bus) -> None:
    finished: list[str] = []
    started = asyncio.Event()

    async def slow(delivery: Delivery) -> Fate:
        started.set()
        await asyncio.sleep(0.5)
        finished.append(delivery.message.id)
        return Done()

    async with bus.consume(CLOSED, slow, 1):
        await bus.publish([closed()])
        async with asyncio.timeout(60):
            await started.wait()
    assert finished == [closed().id]
    listener = Listener()
    async with bus.consume(CLOSED, listener, 1):
        await asyncio.sleep(0.7)
    assert listener.seen == []


async def test_depths_tell_what_waits(bus: Bus) -> None:
    await bus.publish([closed(n) for n in range(3)])
    async with asyncio.timeout(60):
        while (await bus.depths())[CLOSED] != 3:
            await asyncio.sleep(0.1)


async def test_the_broker_may_go_and_come_back(rabbitmq_vhost: str, rabbitmq: RabbitMQ) -> None:
    """Only RabbitMQ can go away by itself: what it had confirmed is there when it is back, however new the queues."""
    bus = RabbitBus(rabbitmq_vhost, TIERS, reconnect=0.2)
    listener = Listener()
    await bus.publish([closed(1)])
    rabbitmq.kill()
    rabbitmq.start()
    async with bus.consume(CLOSED, listener, 4):
        await listener.until(1)
        rabbitmq.kill()
        rabbitmq.start()
        async with asyncio.timeout(60):
            while True:
                try:
                    await bus.publish([closed(2)])
                    break
                except Exception:
                    await asyncio.sleep(0.2)
        async with asyncio.timeout(60):
            while closed(2).id not in {delivery.message.id for delivery in listener.seen}:
                await asyncio.sleep(0.05)
    await bus.close()


async def connections(broker: RabbitMQ, vhost: str) -> int:
    """How many there are to a virtual host, as the broker's management sees them (up to 5 s late)."""
    answer = await asyncio.to_thread(broker.api, "GET", f"/vhosts/{vhost.rpartition('/')[2]}/connections")
    return len(answer.raise_for_status().json())


async def test_a_consumer_that_notices_late_leaves_the_new_connection_alone(
    rabbitmq_vhost: str, rabbitmq: RabbitMQ
) -> None:
    """One that is busy when the connection is cut comes back when others have long made a new one."""
    bus = RabbitBus(rabbitmq_vhost, TIERS, reconnect=0.1, settling=0)
    slow = queue("router", SeriesArrived)
    busy, over = asyncio.Event(), asyncio.Event()
    idle = Listener()

    async def late(_: Delivery) -> Fate:
        busy.set()
        await over.wait()
        return Done()

    event = SeriesArrived(study_instance_uid="1", series_instance_uid="1.2", revision=1, instances=1, total=1)
    async with bus.consume(slow, late, 1), bus.consume(CLOSED, idle, 1):
        await bus.publish([Message.of(event)])
        async with asyncio.timeout(60):
            await busy.wait()
            ends = [asyncio.Event() for _ in bus.connections.open]
            for connection, end in zip(bus.connections.open.values(), ends, strict=True):
                connection.close_callbacks.add(lambda *_, end=end: end.set())
            while await connections(rabbitmq, rabbitmq_vhost) < len(ends):
                await asyncio.sleep(0.2)
            await asyncio.to_thread(rabbitmq.close_connections)
            for end in ends:
                await end.wait()
        async with asyncio.timeout(60):
            while True:
                try:
                    await bus.publish([closed(1)])
                    break
                except BusUnavailable:
                    await asyncio.sleep(0.1)
        await idle.until(1)
        second = dict(bus.connections.open)
        over.set()
        await asyncio.sleep(1)
        assert bus.connections.open == second
        assert not any(connection.is_closed for connection in second.values())
    await bus.close()


async def test_a_connection_that_could_not_be_opened_leaves_nothing_to_the_garbage_collector() -> None:
    with pytest.raises(OSError):
        await (connection := Connection(URL(f"amqp://guest:guest@127.0.0.1:{free_port()}/"))).connect(timeout=10)
    assert connection.is_closed


async def test_what_waits_on_a_connection_that_is_closed_is_unavailable(rabbitmq_vhost: str) -> None:
    bus = RabbitBus(rabbitmq_vhost, TIERS, settling=0)
    outcomes = set()
    for pause in (0.001, 0.01, 0.02, 0.03, 0.05):
        await bus.ping()
        publishing = asyncio.create_task(bus.publish([closed(n) for n in range(500)]))
        await asyncio.sleep(pause)
        await bus.connections.open["publishing"].close()
        (outcome,) = await asyncio.gather(publishing, return_exceptions=True)
        outcomes.add(type(outcome))
    assert outcomes <= {type(None), BusUnavailable}
    assert BusUnavailable in outcomes
    await bus.close()


async def test_a_broker_that_is_away_is_said_once_and_so_is_its_return(rabbitmq_vhost: str) -> None:
    knocked = asyncio.Semaphore(0)

    async def slam(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        knocked.release()

    nobody = await asyncio.start_server(slam, "127.0.0.1", 0)
    port = nobody.sockets[0].getsockname()[1]
    bus = RabbitBus(f"amqp://guest:guest@127.0.0.1:{port}/", TIERS, reconnect=0.01, settling=0)
    other = queue("router", SeriesArrived)
    with capture_logs() as said:
        async with bus.consume(CLOSED, Listener(), 4), bus.consume(other, Listener(), 4):
            async with asyncio.timeout(60):
                for _ in range(6):
                    await knocked.acquire()
            bus.connections.url = rabbitmq_vhost
            async with asyncio.timeout(60):
                while not bus.connections.open:
                    await asyncio.sleep(0.01)
    nobody.close()
    await bus.close()
    assert [line["event"] for line in said] == ["bus unavailable", "bus available again"]


async def test_a_queue_that_somebody_deletes_is_made_again_and_listened_to(
    rabbitmq_vhost: str, rabbitmq: RabbitMQ
) -> None:
    bus = RabbitBus(rabbitmq_vhost, TIERS, reconnect=0.1, settling=0)
    listener = Listener()
    vhost = rabbitmq_vhost.rpartition("/")[2]
    async with bus.consume(CLOSED, listener, 4):
        await bus.publish([closed(1)])
        await listener.until(1)
        await asyncio.to_thread(rabbitmq.api, "DELETE", f"/queues/{vhost}/fiona.{CLOSED}")
        async with asyncio.timeout(60):
            while len(listener.seen) < 2:
                try:
                    await bus.publish([closed(2)])
                except BusUnavailable:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.1)
    await bus.close()


async def test_somebody_elses_dead_letter_hides_no_other(rabbitmq_vhost: str) -> None:
    bus = RabbitBus(rabbitmq_vhost, TIERS, settling=0)
    async with bus.consume(CLOSED, Listener(Bury("never")), 1):
        await bus.publish([closed()])
        channel = await bus.connections.publisher()
        stray = aio_pika.Message(b"who?", message_id="stray")
        await channel.default_exchange.publish(stray, routing_key=f"fiona.{CLOSED}")
        await dead_count(bus, 2)
    assert {letter.id for letter in await bus.dead()} == {f"{CLOSED}:{closed().id}", f"{CLOSED}:stray"}
    assert await bus.drop(f"{CLOSED}:stray")
    await bus.close()


async def test_what_is_asked_beside_the_queues(bus: Bus) -> None:
    """A message to and fro leaves nothing; the dead are counted; the oldest is told where that costs nobody a try."""
    await bus.round_trip()
    assert set((await bus.depths()).values()) == {0}
    assert (await bus.dead_count(), await bus.oldest()) == (0, {})
    message = closed()
    await bus.publish([message])
    assert set(await bus.oldest()) <= {CLOSED}
    async with bus.consume(CLOSED, Listener(Bury("x")), 4):
        await dead_count(bus, 1)
    async with asyncio.timeout(60):
        while await bus.dead_count() != 1:  # whoever has just looked may still hold it
            await asyncio.sleep(0.05)
