"""Inbox, outbox and relay on both databases: once is enough, and nothing owed is forgotten."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.bus import Again, Bury, BusUnavailable, Delivery, Done, Message
from shared.database import Database
from shared.events import AssociationClosed, Event, StudyArrived
from shared.handlers import Handlers, Reject, Retry
from shared.ledger import Relay, add, claim
from shared.ledger.relay import IN_HAND
from shared.service import Service
from shared.service.processor import Processor
from shared.tables import InboxEntry, OutboxEntry, Participant

QUEUE = "indexer.association.closed.v1"


class Recorder:
    """A bus that remembers what was published, and can be away."""

    def __init__(self) -> None:
        self.published: list[Message] = []
        self.away = False
        self.asked = 0

    async def publish(self, messages: Sequence[Message]) -> None:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.away:
            raise BusUnavailable("away")
        self.published += messages


def event(number: int = 1) -> AssociationClosed:
    return AssociationClosed(association=f"a{number}", instances=number)


def delivery(number: int = 1) -> Delivery:
    return Delivery(QUEUE, Message.of(event(number)), 0)


async def count(database: Database, table: type) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def end(running: asyncio.Task[None]) -> None:
    """Cancel a task and wait for it: the database is to be closed after it, not under it."""
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def processor(database: Database, handlers: Handlers, bus: Recorder | None = None) -> Processor:
    relay = Relay(database, bus or Recorder())  # type: ignore[arg-type]
    return Processor(Service(name="indexer", handlers=handlers), {Database: database}, database, relay)


async def test_a_handler_runs_once_and_its_events_are_owed_once(database: Database) -> None:
    handlers, calls = Handlers(), 0

    @handlers.on(AssociationClosed)
    async def count_calls(event: AssociationClosed, session: AsyncSession) -> list[Event]:
        nonlocal calls
        calls += 1
        return [StudyArrived(study_instance_uid="1.2", series=1, instances=1)]

    process = processor(database, handlers)
    assert [await process(delivery()) for _ in range(2)] == [Done()] * 2
    assert calls == 1
    assert await count(database, OutboxEntry) == 1


async def test_two_replicas_at_once_commit_one(database: Database) -> None:
    handlers = Handlers()

    @handlers.on(AssociationClosed)
    async def slow(event: AssociationClosed) -> list[Event]:
        await asyncio.sleep(0.1)
        return [StudyArrived(study_instance_uid="1.2", series=1, instances=1)]

    process = processor(database, handlers)
    assert set(await asyncio.gather(process(delivery()), process(delivery()))) == {Done()}
    assert await count(database, OutboxEntry) == 1
    assert await count(database, InboxEntry) == 1


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (Retry("not yet", delay=3), Again("not yet", 3)),
        (Reject("never"), Bury("never")),
        (ValueError("Doe^John"), Again("unexpected ValueError")),
    ],
)
async def test_a_failure_rolls_back_and_says_its_fate(database: Database, error: Exception, fate: object) -> None:
    """What the handler wrote is gone, and the reason carries no message of a library."""
    handlers = Handlers()

    @handlers.on(AssociationClosed)
    async def fail(event: AssociationClosed, session: AsyncSession) -> None:
        session.add(Participant(project="PROJECT", name="P1"))
        await session.flush()
        raise error

    assert await processor(database, handlers)(delivery()) == fate
    assert await count(database, Participant) == 0
    assert await count(database, InboxEntry) == 0


async def test_a_message_that_is_no_event_of_ours_is_buried(database: Database) -> None:
    process = processor(database, Handlers())
    unknown = Message(id="1", name="unheard.of.v1", body="{}", correlation="1")
    broken = Message(id="2", name=AssociationClosed.name, body='{"association": 1}', correlation="2")
    for message in (unknown, broken):
        assert isinstance(await process(Delivery(QUEUE, message, 0)), Bury)


async def test_lineage_goes_from_cause_to_effect(database: Database) -> None:
    handlers, bus = Handlers(), Recorder()

    @handlers.on(AssociationClosed)
    async def tell(event: AssociationClosed, session: AsyncSession) -> list[Event]:
        return [StudyArrived(study_instance_uid="1.2", series=1, instances=1)]

    cause = delivery()
    await processor(database, handlers)(cause)
    await Relay(database, bus).move()  # type: ignore[arg-type]
    assert bus.published[0].causation == cause.message.id
    assert bus.published[0].correlation == cause.message.correlation


async def test_the_relay_publishes_in_order_and_forgets(database: Database) -> None:
    bus = Recorder()
    async with database.session() as session:
        await add(session, [Message.of(event(n)) for n in range(20)])
    assert await Relay(database, bus).move() == 20  # type: ignore[arg-type]
    assert [message.event() for message in bus.published] == [event(n) for n in range(20)]
    assert await count(database, OutboxEntry) == 0


async def test_what_is_owed_already_is_not_owed_twice(database: Database) -> None:
    async with database.session() as session:
        assert await add(session, [Message.of(event())]) == 1
    async with database.session() as session:
        assert await add(session, [Message.of(event())]) == 0


async def test_the_outbox_waits_for_the_bus(database: Database) -> None:
    bus = Recorder()
    bus.away = True
    async with database.session() as session:
        await add(session, [Message.of(event())])
    relay = Relay(database, bus, poll=0.05)  # type: ignore[arg-type]
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(60):
        while bus.asked < 2:
            await asyncio.sleep(0.05)
    assert await count(database, OutboxEntry) == 1
    bus.away = False
    async with asyncio.timeout(60):
        while await count(database, OutboxEntry):
            await asyncio.sleep(0.05)
    await end(running)
    assert [message.event() for message in bus.published] == [event()]


async def test_several_relays_lose_nothing_and_publish_nothing_twice(database: Database) -> None:
    bus = Recorder()
    async with database.session() as session:
        await add(session, [Message.of(event(n)) for n in range(1200)])
    relays = [Relay(database, bus) for _ in range(4)]  # type: ignore[arg-type]

    async def empty(relay: Relay) -> None:
        while await relay.move():
            pass

    await asyncio.gather(*(empty(relay) for relay in relays))
    assert sorted(message.id for message in bus.published) == sorted(Message.of(event(n)).id for n in range(1200))


async def test_a_relay_that_died_is_followed_by_another(database: Database) -> None:
    class Deadly(Recorder):
        async def publish(self, messages: Sequence[Message]) -> None:
            raise RuntimeError("killed in the middle")

    async with database.session() as session:
        await add(session, [Message.of(event())])
    with pytest.raises(RuntimeError):
        await Relay(database, Deadly()).move()  # type: ignore[arg-type]
    bus = Recorder()
    assert await Relay(database, bus).move() == 0  # type: ignore[arg-type]
    async with database.session() as session:
        held = (await session.scalars(select(OutboxEntry.claimed_until))).one()
        assert held is not None
        await session.execute(update(OutboxEntry).values(claimed_until=held - IN_HAND))
    assert await Relay(database, bus).move() == 1  # type: ignore[arg-type]


async def test_a_relay_outlives_surprises(database: Database) -> None:
    class Surprising(Recorder):
        surprises = 1

        async def publish(self, messages: Sequence[Message]) -> None:
            if self.surprises:
                self.surprises -= 1
                raise KeyError("nobody thought of this")
            await super().publish(messages)

    bus = Surprising()
    relay = Relay(database, bus, poll=0.05)  # type: ignore[arg-type]
    async with database.session() as session:
        await add(session, [Message.of(event(1))])
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(60):
        while bus.surprises:
            await asyncio.sleep(0.05)
    async with database.session() as session:
        await add(session, [Message.of(event(2))])
    async with asyncio.timeout(60):
        while not bus.published:
            assert not running.done()
            await asyncio.sleep(0.05)
    await end(running)
    assert Message.of(event(2)).id in {message.id for message in bus.published}


async def test_a_claim_is_given_once(database: Database) -> None:
    async with database.session() as session:
        assert await claim(session, QUEUE, "m")
    async with database.session() as session:
        assert not await claim(session, QUEUE, "m")
