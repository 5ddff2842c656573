"""A clock that was ahead and is right again: what was written down meanwhile is done, and nobody waits for that time.

Moments are written into the tables as such a clock would have, by two hours. (When a series is whole: test_indexer.)
"""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from services.api.people import tallies
from services.api.people.tallies import Limit
from services.api.problems import Problem
from services.audit.sealing import Announced, announce
from services.janitor import lease
from services.janitor.engine import Engine
from services.janitor.plan import Tools
from services.janitor.policies import Policies
from services.janitor.settings import JanitorSettings
from services.redcap import nights
from services.redcap.owed import due, owe
from services.redcap.settings import RedcapSettings
from services.redcap.targets import Targets
from services.registry.clock import Clock
from services.registry.settings import RegistrySettings
from services.registry.tools import Tools as RegistryTools
from services.registry.worker import Worker
from shared.audit.chain import Link
from shared.bus import Delivery, Done, Message
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database
from shared.events import AssociationClosed
from shared.ledger import Relay
from shared.ledger.history import unhandled
from shared.settings import Settings
from shared.store import Store
from shared.tables import (
    BusMessage,
    JanitorLine,
    JanitorRun,
    JanitorState,
    OutboxEntry,
    ProjectWork,
    PublishedMessage,
    RedcapOwed,
    RedcapTarget,
    SignInTally,
)
from shared.tables.base import new_id, now
from shared.topology import queue

HOURS = timedelta(hours=2)
CLOSED = queue("indexer", AssociationClosed)


def ahead(**more: float) -> Any:
    """What such a clock says, or what is to be so long after it."""
    return now() + HOURS + timedelta(**more)


async def put(database: Database, *rows: Any) -> None:
    async with database.session() as session:
        session.add_all(rows)


async def test_what_nobody_holds_any_more_is_free(database: Database) -> None:
    for until, free in ((timedelta(seconds=50), False), (HOURS, True)):
        await put(database, JanitorState(id=1, holder="dead", held_until=now() + until, policies={}, disks={}))
        async with database.session() as session:
            assert await lease.claim(session, "alive", {}) is free
            await session.delete(await session.get_one(JanitorState, 1))


async def test_a_message_is_delivered_and_rests_no_longer_than_it_was_meant_to(database: Database) -> None:
    bus = EmbeddedBus(database, poll=0.05)
    failed = {"tries": 1, "reason": "failed"}
    for name, at, more in (
        ("new", ahead(), {}),
        ("in a dead one's hands", ahead(seconds=15), {}),
        ("in hand", now() + timedelta(seconds=14), {}),
        ("failed", ahead(seconds=60), failed),
        ("rests", now() + timedelta(minutes=50), failed),
    ):
        content = Message.of(AssociationClosed(association=name, instances=1))
        row = BusMessage(queue=CLOSED, message=content.id, content=content.to_bytes(), due_at=at, **more)
        await put(database, row)
    seen: set[str] = set()

    async def deliver(delivery: Delivery) -> Done:
        seen.add(delivery.message.event().association)  # type: ignore[attr-defined]
        return Done()

    async with bus.consume(CLOSED, deliver, 5):
        async with asyncio.timeout(60):
            while len(seen) < 3:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)
    assert seen == {"new", "in a dead one's hands", "failed"}


async def test_what_a_dead_relay_has_claimed_is_published(database: Database) -> None:
    message = Message.of(AssociationClosed(association="a", instances=1))
    await put(database, OutboxEntry(message=message.id, content=message.to_bytes(), claimed_until=ahead()))
    assert await Relay(database, EmbeddedBus(database)).move() == 1


async def test_what_was_published_then_is_found_when_the_broker_has_lost_it(database: Database) -> None:
    message = Message.of(AssociationClosed(association="a", instances=1))
    row = {"message": message.id, "name": message.name, "content": message.to_bytes()}
    await put(database, PublishedMessage(published_at=ahead(), **row))
    async with database.reading() as session:
        assert await unhandled(session, now() - timedelta(minutes=1)) == {message.name: [message.id]}


@pytest.mark.parametrize(
    ("tries", "seconds", "is_done"),
    [(0, 7200, True), (0, 30, False), (1, 7200, True), (1, 590, False), (3, 7200, True), (9, 3500, False)],
)
async def test_work_on_a_project_is_tried_as_soon_as_it_was_meant_to_be(
    database: Database, store: Store, tries: int, seconds: float, is_done: bool
) -> None:
    done: list[str] = []

    async def export(work: ProjectWork, _: RegistryTools) -> None:
        done.append(work.project)

    again = now() + timedelta(seconds=seconds)
    await put(database, ProjectWork(project="ABCD-study", kind="export", tries=tries, next_try_at=again))
    relay, clock = Relay(database, EmbeddedBus(database)), Clock()
    tools = RegistryTools(database, store, Vault(b"a master key for tests only"), clock, RegistrySettings(), relay)
    assert await Worker(tools, {"export": export}).do_next() is is_done
    assert bool(done) is is_done


async def test_redcap_is_asked_and_paid(database: Database) -> None:
    known: dict[str, Any] = {"configured": True}
    await put(
        database,
        RedcapTarget(project="", failures=1, due_at=ahead(seconds=10), **known),
        RedcapTarget(project="held", held_until=ahead(), holder="dead", **known),
        RedcapTarget(project="rests", failures=4, due_at=now() + timedelta(minutes=50), **known),
        RedcapTarget(project="*", due_at=ahead(minutes=15), **known),
        RedcapTarget(project="read", due_at=now() + timedelta(minutes=14), **known),
    )
    targets = Targets(database, 120, read_seconds=900)
    assert await targets.open() == ["", "*", "held"]
    async with targets.held("held") as mine:
        assert mine
    async with database.session() as session:
        await owe(session, "", "study", ["1.2", "1.3"])
        this = update(RedcapOwed).where(RedcapOwed.subject == "1.2")
        await session.execute(this.values(due_at=ahead()))
        await session.execute(
            update(RedcapOwed).where(RedcapOwed.subject == "1.3").values(due_at=now() + timedelta(seconds=30))
        )
        assert [each.subject for each in await due(session, "", 5)] == ["1.2"]


async def test_a_night_is_not_left_out_because_of_a_comparison_that_is_to_come(database: Database) -> None:
    await put(database, RedcapTarget(project="", configured=True, compared_at=now() + timedelta(days=2)))
    settings = Settings(timezone="UTC")
    async with database.session() as session:
        await nights.compare_tonight(session, settings, RedcapSettings(night_hour=now().hour))
        assert (await session.get_one(RedcapTarget, "")).comparison is not None


async def test_the_janitor_begins_and_waits_for_no_answer_of_then(database: Database, store: Store) -> None:
    run = JanitorRun(id=new_id(), kind="report", cursor={}, counts={}, phase=0, state="done", started_at=ahead())
    await put(database, run)
    tools = Tools(database, store, Policies(), JanitorSettings())
    engine = Engine(tools, Relay(database, EmbeddedBus(database)))
    assert await engine.step(), "a run begins"
    async with database.session() as session:
        begun = (await session.scalars(select(JanitorRun).where(JanitorRun.state == "running"))).one()
        begun.kind, begun.phase = "heal", 99
        asked = {"kind": "missing", "state": "asked", "size": 0, "removed": {}, "why": ""}
        session.add(JanitorLine(run=begun.id, subject="1.2", at=ahead(), **asked))
    assert await engine.step()
    async with database.reading() as session:
        assert (await session.get_one(JanitorRun, begun.id)).state == "done"


async def test_who_signs_in_is_not_kept_out(database: Database) -> None:
    limits = [Limit("account anna", 3)]
    for since, refused in ((now() - timedelta(minutes=1), True), (ahead(), False)):
        await put(database, SignInTally(key="account anna", failures=9, since=since))
        async with database.session() as session:
            if refused:
                with pytest.raises(Problem):
                    await tallies.count(session, limits)
            else:
                await tallies.count(session, limits)
            await session.delete(await session.get_one(SignInTally, "account anna"))


def test_the_log_hears_of_the_audits_head() -> None:
    announced = Announced(at=ahead())
    with capture_logs() as logs:
        announce(announced, Link(7, "abc"))
        announce(announced, Link(8, "abd"))
    assert [each["sequence"] for each in logs] == [7]
