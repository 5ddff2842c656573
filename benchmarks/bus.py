"""The bus: events per second from a commit through outbox, relay and broker to a handler's commit.

Usage: python -m benchmarks.bus [--events N] [--rounds N]
The real Processor, Relay and buses in one process, everything durable: PostgreSQL with fsync, quorum queues,
publisher confirms. The yardsticks are what aio-pika and asyncpg do on the same servers with nothing around them.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aio_pika
import asyncpg
import uvloop
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.measure import Backends, Row, Stopwatch, backends, median, row, scratch
from shared.bus import Bus, Delivery, Fate, Message
from shared.bus.open import open_bus
from shared.database import Database, insert_new
from shared.events import AssociationClosed
from shared.handlers import Handlers
from shared.ledger import Relay, add
from shared.service import Service
from shared.service.processor import Processor
from shared.tables import Participant
from shared.topology import queue

BATCH: Final = 50
PREFETCH: Final = 8
HOME: Final = queue("indexer", AssociationClosed)
Rates = dict[str, float]

handlers = Handlers()


@handlers.on(AssociationClosed)
async def note(event: AssociationClosed, session: AsyncSession) -> None:
    """A handler as they are: one short statement in the transaction of the inbox row."""
    await insert_new(session, Participant, [{"project": "BENCH", "name": event.association}])


def events(count: int) -> list[Message]:
    """So many different messages."""
    return [Message.of(AssociationClosed(association=f"{number:06}", instances=number)) for number in range(count)]


def batches(messages: Sequence[Message], size: int) -> list[Sequence[Message]]:
    """In portions."""
    return [messages[start : start + size] for start in range(0, len(messages), size)]


async def commit(database: Database, messages: Sequence[Message], size: int) -> None:
    """Owe them, a transaction per `size` of them."""
    for batch in batches(messages, size):
        async with database.session() as session:
            await add(session, batch)


async def move_all(relay: Relay) -> None:
    """Publish all that is owed."""
    while await relay.move():
        pass


@asynccontextmanager
async def consuming(bus: Bus, database: Database, relay: Relay, expected: int) -> AsyncIterator[asyncio.Event]:
    """Handle what comes as a service does; the event is set once so many deliveries are committed."""
    process = Processor(Service("indexer", handlers=handlers), {Database: database}, database, relay)
    all_done, handled = asyncio.Event(), 0

    async def deliver(delivery: Delivery) -> Fate:
        nonlocal handled
        fate = await process(delivery)
        handled += 1
        if handled == expected:
            all_done.set()
        return fate

    async with bus.consume(HOME, deliver, PREFETCH):
        yield all_done


async def ours(database_url: str, bus_url: str, count: int) -> Rates:
    """Each stage by itself with a fifth of the events, then the whole way with everything running at once."""
    database = Database(database_url)
    await database.migrate()
    bus = open_bus(bus_url, database)
    await bus.ping()
    relay = Relay(database, bus)
    few = max(200, count // 5)
    messages, rates = events(few + few + count), Rates()
    single, staged, whole = messages[:few], messages[few : 2 * few], messages[2 * few :]
    try:
        with Stopwatch() as watch:
            await commit(database, single, 1)
        rates["outbox, 1 event a commit"] = len(single) / watch.seconds
        with Stopwatch() as watch:
            await commit(database, staged, BATCH)
        rates[f"outbox, {BATCH} events a commit"] = few / watch.seconds
        with Stopwatch() as watch:
            await move_all(relay)
        rates["relay, outbox to bus"] = 2 * few / watch.seconds
        with Stopwatch() as watch:
            async with consuming(bus, database, relay, 2 * few) as done:
                await done.wait()
        rates["handled, bus to commit"] = 2 * few / watch.seconds
        running = asyncio.create_task(relay.run())
        with Stopwatch() as watch:
            async with consuming(bus, database, relay, count) as done:
                for batch in batches(whole, BATCH):
                    await commit(database, batch, BATCH)
                    relay.wake()
                await done.wait()
        rates["whole way, commit to commit"] = count / watch.seconds
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    finally:
        await bus.close()
        await database.close()
    return rates


async def bare_publishing(url: str, count: int) -> Rates:
    """aio-pika: confirmed publishes of persistent messages to one quorum queue."""
    bodies = [message.to_bytes() for message in events(count)]
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue("yardstick", durable=True, arguments={"x-queue-type": "quorum"})
        exchange = channel.default_exchange

        async def publish(body: bytes) -> None:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(message, routing_key="yardstick")

        alone = bodies[: count // 10]
        with Stopwatch() as one_by_one:
            for body in alone:
                await publish(body)
        with Stopwatch() as pipelined:
            for start in range(0, count, 500):
                await asyncio.gather(*map(publish, bodies[start : start + 500]))
    return {
        "aio-pika, confirmed one by one": len(alone) / one_by_one.seconds,
        "aio-pika, confirmed, 500 in flight": count / pipelined.seconds,
    }


async def bare_commits(url: str, count: int) -> Rates:
    """asyncpg: a transaction with two inserts, as many at once as the bus delivers."""
    pool = await asyncpg.create_pool(url.replace("+asyncpg", ""), min_size=PREFETCH, max_size=PREFETCH)
    async with pool:
        await pool.execute("CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY)")

        async def transactions(first: int) -> None:
            async with pool.acquire() as connection:
                for number in range(first, count, PREFETCH):
                    async with connection.transaction():
                        await connection.execute("INSERT INTO one VALUES ($1)", number)
                        await connection.execute("INSERT INTO two VALUES ($1)", number)

        with Stopwatch() as watch:
            await asyncio.gather(*map(transactions, range(PREFETCH)))
    return {f"asyncpg, 2 inserts a commit, {PREFETCH} at once": count / watch.seconds}


CASES: Final = ("RabbitMQ + PostgreSQL", "embedded bus on PostgreSQL", "embedded bus on SQLite")
COUNTERPARTS: Final = {
    "aio-pika, confirmed one by one": "relay, outbox to bus",
    "aio-pika, confirmed, 500 in flight": "relay, outbox to bus",
    f"asyncpg, 2 inserts a commit, {PREFETCH} at once": "handled, bus to commit",
}
"""Yardstick to what of ours stands beside it."""


async def _round(servers: Backends, folder: str, count: int, number: int) -> dict[str, Rates]:
    """Every case once, each on an empty database and an empty virtual host."""
    few = max(200, count // 10)
    fresh = servers.postgres.fresh_database
    return {
        CASES[0]: await ours(fresh(), servers.rabbitmq.fresh_vhost(), count),
        "": await bare_publishing(servers.rabbitmq.fresh_vhost(), count) | await bare_commits(fresh(), few),
        CASES[1]: await ours(fresh(), "embedded:", few),
        CASES[2]: await ours(f"sqlite+aiosqlite:///{folder}/{number}.sqlite", "embedded:", few),
    }


def run(count: int = 5000, rounds: int = 3) -> list[Row]:
    """Medians of `rounds` rounds in which all take turns."""
    with scratch("bus") as folder, backends(folder) as servers:
        measured = [uvloop.run(_round(servers, str(folder), count, number)) for number in range(rounds)]
    found = {
        case: {name: median([each[case][name] for each in measured]) for name in rates}
        for case, rates in measured[0].items()
    }
    rows: list[Row] = []
    for case in CASES:
        rows += [row("bus", case, name, "events/s", rate) for name, rate in found[case].items()]
        if case == CASES[0]:
            rows += [_beside(case, name, rate, found[case]) for name, rate in found[""].items()]
    return rows


def _beside(case: str, name: str, rate: float, ours: Rates) -> Row:
    return row("bus", case, name, "events/s", rate, peer=True, ratio=ours[COUNTERPARTS[name]] / rate)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    from benchmarks.report import show

    show(run(asked.events, asked.rounds))


if __name__ == "__main__":
    main()
