"""Two versions beside each other: what an older or a newer one has published is understood, or kept; a process whose
schema has become that of a later version holds what it cannot do, and costs no message a try."""

import asyncio
import json
from dataclasses import asdict
from typing import Any

import aio_pika
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.__main__ import load
from shared.bus import Again, Bury, Delivery, Done, Fate, Message, RetryTiers
from shared.bus.rabbitmq import RabbitBus
from shared.database import Database, DatabaseUnavailable
from shared.events import EVENTS, SeriesArrived
from shared.handlers import Handlers
from shared.ledger import Relay
from shared.migrations import head
from shared.service import Service
from shared.service.processor import Processor
from shared.topology import SUBSCRIPTIONS, queue
from tests.contract.test_events import golden

UNKNOWN = "not an event that this version knows"
FIRST_ENVELOPE = ("id", "name", "body", "correlation", "causation", "traceparent", "occurred_at")
"""The fields that the first version wrote around an event."""


def older(name: str) -> bytes:
    """As the first version published it: only what had to be there."""
    fields = EVENTS[name].model_fields
    body = {key: value for key, value in json.loads(golden(name)).items() if fields[key].is_required()}
    message = Message.of(EVENTS[name].model_validate(body))
    envelope = {key: value for key, value in asdict(message).items() if key in FIRST_ENVELOPE}
    return json.dumps(envelope | {"body": json.dumps(body)}).encode()


def newer(name: str) -> bytes:
    """As a later version may: with fields that nobody knows yet, around the event and in it."""
    message = Message.of(EVENTS[name].model_validate_json(golden(name)))
    body = json.loads(message.body) | {"later": {"field": [1]}}
    return json.dumps(asdict(message) | {"body": json.dumps(body), "tenant": "x"}).encode()


class Seen:
    """Reads every delivery as a service does, and keeps what it read."""

    def __init__(self) -> None:
        self.fates: list[tuple[str, Fate]] = []
        self.events: list[Any] = []

    async def __call__(self, delivery: Delivery) -> Fate:
        self.events.append(delivery.message.event())
        self.fates.append((delivery.queue, Done()))
        return Done()


async def publish(bus: RabbitBus, routing_key: str, *bodies: bytes, exchange: str = "fiona") -> None:
    """Past our own code, which would not write such a thing."""
    channel = await bus.connections.publisher()
    target = await channel.get_exchange(exchange) if exchange else channel.default_exchange
    for body in bodies:
        await target.publish(aio_pika.Message(body), routing_key=routing_key)


@pytest.fixture
def bus(rabbitmq_vhost: str) -> RabbitBus:
    return RabbitBus(rabbitmq_vhost, RetryTiers((0.2,)), settling=0)


async def test_every_event_of_either_version_is_read_by_everybody_who_listens(bus: RabbitBus) -> None:
    seen = Seen()
    listened = {(service, event) for service, events in SUBSCRIPTIONS.items() for event in events}
    for name in sorted({event.name for _, event in listened}):
        await publish(bus, name, older(name), newer(name))
    for service, event in sorted(listened, key=str):
        before = len(seen.events)
        async with bus.consume(queue(service, event), seen, 4), asyncio.timeout(60):
            while len(seen.events) < before + 2:
                await asyncio.sleep(0.01)
        first, second = seen.events[before:]
        assert second == EVENTS[event.name].model_validate_json(golden(event.name))
        assert {type(first), type(second)} == {event}
    assert await bus.dead() == []
    await bus.close()


@pytest.mark.parametrize("service", sorted(SUBSCRIPTIONS))
async def test_todays_handlers_take_what_the_first_version_published(service: str, sqlite: Database) -> None:
    """On an empty database most of it speaks of what is not there: that is tried again, never called unknown."""
    made = load(service)
    processor = Processor(made, {Database: sqlite}, sqlite, Relay(sqlite, None))  # type: ignore[arg-type]
    for event in SUBSCRIPTIONS[service]:
        delivery = Delivery(queue(service, event), Message.from_bytes(older(event.name)), 0)
        fate = await processor(delivery)
        assert isinstance(fate, Done | Again | Bury)
        assert fate != Bury(UNKNOWN)


async def test_what_this_version_does_not_know_is_kept_with_the_reason(bus: RabbitBus, sqlite: Database) -> None:
    """A later event by a queue of ours, and one of ours that has lost a field: dead, whole, and replayed after all."""
    processor = Processor(load("router"), {Database: sqlite}, sqlite, Relay(sqlite, None))  # type: ignore[arg-type]
    home = queue("router", SeriesArrived)
    whole = json.loads(golden("series.arrived.v1"))
    later = Message(id="1", name="series.arrived.v2", body=json.dumps(whole), correlation="1")
    torn = Message(id="2", name="series.arrived.v1", body="{}", correlation="2")
    await publish(bus, f"fiona.{home}", later.to_bytes(), torn.to_bytes(), exchange="")
    async with bus.consume(home, processor, 1), asyncio.timeout(60):
        while len(await bus.dead()) < 2:
            await asyncio.sleep(0.05)
    letters = {letter.message.id: letter for letter in await bus.dead()}
    assert {letter.reason for letter in letters.values()} == {UNKNOWN}
    assert letters["1"].message == later
    assert letters["1"].queue == home
    assert await bus.replay(letters["1"].id), "the next version takes it from its queue"
    seen: list[Message] = []

    async def next_version(delivery: Delivery) -> Fate:
        seen.append(delivery.message)
        return Done()

    async with bus.consume(home, next_version, 1), asyncio.timeout(60):
        while not seen:
            await asyncio.sleep(0.02)
    assert seen == [later]
    await bus.close()


async def test_the_queues_of_a_later_version_stay_and_what_is_in_them_waits(bus: RabbitBus) -> None:
    """A new replica has declared a queue for an event that only it knows; the old ones leave both alone."""
    channel = await bus.connections.publisher()
    later = await channel.declare_queue(
        "fiona.indexer.series.arrived.v2", durable=True, arguments={"x-queue-type": "quorum"}
    )
    await later.bind("fiona", "series.arrived.v2")
    await publish(bus, "series.arrived.v2", b"{}")
    again = RabbitBus(bus.connections.url, RetryTiers((0.2,)), settling=0)
    await again.ping()
    async with asyncio.timeout(60):
        while (message := await later.get(fail=False)) is None:
            await asyncio.sleep(0.05)
    assert message.body == b"{}"
    await again.close()
    await bus.close()


async def turn(database: Database, revision: str) -> None:
    """The schema is said to be of that version."""
    async with database.session() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


@pytest.mark.parametrize("only_look", [True, False])
async def test_an_older_process_waits_where_the_schema_is_newer(database: Database, only_look: bool) -> None:
    await turn(database, "9999")
    started = Database(database.url.render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable, match="newer version"):
        await started.migrate(only_look)
    await turn(database, head())
    await started.migrate(only_look)
    await started.ready()
    await started.close()


async def test_what_fails_beside_a_newer_schema_is_held_for_the_next_version(database: Database) -> None:
    handlers = Handlers()
    calls = 0

    @handlers.on(SeriesArrived)
    async def write_as_before(event: SeriesArrived, session: AsyncSession) -> None:
        nonlocal calls
        calls += 1
        await session.execute(text("INSERT INTO what_later_versions_have_no_more VALUES (1)"))

    relay = Relay(database, None)  # type: ignore[arg-type]
    processor = Processor(Service(name="indexer", handlers=handlers), {}, database, relay)
    message = Message.of(SeriesArrived.model_validate_json(golden("series.arrived.v1")))
    await turn(database, "9999")
    held = asyncio.create_task(processor(Delivery(queue("indexer", SeriesArrived), message, 0)))
    async with asyncio.timeout(60):
        while calls < 2:
            await asyncio.sleep(0.01)
    assert not held.done(), "it is neither tried again by the bus nor dead"
    await turn(database, head())
    assert await held == Again("unexpected " + ("OperationalError" if database.sqlite else "ProgrammingError"))
