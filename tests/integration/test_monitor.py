"""The monitor over real parts: receiver, PACS, brokers, databases, a mail server and a webhook."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr
from sqlalchemy import func, select, update

from services.monitor import beating, metrics
from services.monitor.probes import Ground, stuck
from services.monitor.probes.journal import Journal
from services.monitor.service import service
from services.monitor.settings import MonitorSettings
from services.monitor.watch import Watch
from services.registry.clock import Clock
from services.registry.mailer import Mailer
from services.registry.settings import RegistrySettings
from shared.bus import Message
from shared.events import AssociationClosed, MonitorStateChanged
from shared.ledger import add, claim
from shared.service import Context
from shared.service.runner import open_context
from shared.settings import Settings
from shared.switchable import Switch
from shared.switches import Switches
from shared.tables import (
    Association,
    Destination,
    Heartbeat,
    InboxEntry,
    Mail,
    MonitorCheck,
    MonitorLease,
    OutboxEntry,
    PublishedMessage,
)
from shared.tables.base import now
from tests.components.orthanc import Orthanc
from tests.components.postgres import PostgreSQL
from tests.components.process import free_port
from tests.components.rabbitmq import RabbitMQ
from tests.components.receiver import LocalReceiver
from tests.components.smtp import Inbox, mail_server
from tests.components.webhook import Hook, webhook

TO = "oncall@example.org"
SENT = {"before": -10, "ahead": 120, "now": -1}
"""Heartbeats, by minutes from now."""


@asynccontextmanager
async def context_of(folder: Path, url: str, bus: str | None) -> AsyncIterator[Context]:
    key = SecretStr("a master key for tests only")
    settings = Settings(
        data=folder,
        database_url=SecretStr(url),
        bus_url=SecretStr(bus) if bus else None,
        secret_key=key,
        bus_settling_seconds=0,
    )
    context = open_context([service], settings)
    await context.database.migrate()
    yield context
    await context.bus.close()
    await context.database.close()


def settings_of(hook: Hook, receiver: LocalReceiver, **values: Any) -> MonitorSettings:
    told: dict[str, Any] = {
        "webhook_url": SecretStr(hook.url),
        "webhook_token": SecretStr("a secret"),
        "mail_to": (TO,),
    }
    asked = {"receiver_port": receiver.port, "heartbeat_seconds": 0, "looks": 1, "echo_seconds": 30}
    # Whatever the disk of whoever runs this is like.
    disks = {"disk_warning": 0.9999, "disk_failing": 0.9999}
    return MonitorSettings(**told | asked | disks | values)


async def rows(context: Context) -> dict[tuple[str, str], MonitorCheck]:
    async with context.database.reading() as session:
        return {(row.name, row.subject): row for row in await session.scalars(select(MonitorCheck))}


def measured(check: str, subject: str, name: str = "check_state") -> float | None:
    """What this process tells Prometheus of something."""
    return REGISTRY.get_sample_value(f"fiona_monitor_{name}", {"check": check, "subject": subject})


async def waiting(context: Context) -> int:
    """How many mails are owed."""
    async with context.database.reading() as session:
        return await session.scalar(select(func.count()).where(Mail.state == "waiting")) or 0


async def sent(context: Context, clock: Clock | None = None) -> list[str]:
    """The subjects of the mails that are owed, as a real mail server gets them."""
    inbox = Inbox()
    with mail_server(inbox) as port:
        settings = RegistrySettings(smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", smtp_seconds=30)
        await Mailer(context.database, context.vault, settings, clock or Clock()).send_due()
    assert {mail["To"] for mail in inbox.mails} <= {TO}
    return [mail["Subject"] for mail in inbox.mails]


async def test_what_changes_is_told_once_and_what_is_well_again_too(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}"
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, url, None) as context:
            settings = settings_of(hook, receiver)
            watch, other = Watch(context, settings), Watch(context, settings)
            async with context.database.session() as session:
                gone = {"host": "127.0.0.1", "port": free_port(), "called_aet": "GONE"}
                session.add(Destination(name="gone", kind="dicom", config=gone))
                session.add(Destination(name="here", kind="folder", config={}))
            await watch.round()
            found = await rows(context)
            assert {key for key, row in found.items() if row.state != "ok"} == {("destination", "gone")}
            assert {"receiver", "bus", "database", "queue", "stuck", "disk", "switch"} <= {name for name, _ in found}
            assert hook.states() == [("destination", "gone", "failing")]
            assert await sent(context) == ["FIONA: destination gone has failed"]
            await watch.round()
            await other.round()
            assert (hook.states(), await sent(context)) == ([], [])

            Switches(context.store).turn_off(Switch.SEND, "a reason", "k.olsen")
            hook.status = 503
            await watch.round()
            async with context.database.session() as session:
                (await session.get_one(Destination, "gone")).kind = "null"
                (await session.get_one(Destination, "gone")).config = {}
            await watch.round()
            hook.status = 200
            await watch.round()
            assert hook.states() == [("switch", "send", "warning")], "the destination is none that can be away"
            assert await sent(context) == ["FIONA: switch send needs a look"]
            assert ("destination", "gone") not in await rows(context)
            assert measured("destination", "gone") is measured("destination", "gone", "echo_seconds") is None
            Switches(context.store).turn_on(Switch.SEND)
            await watch.round()
            assert hook.states() == [("switch", "send", "ok")]
            assert await sent(context) == ["FIONA: switch send is well again"]
            async with context.database.reading() as session:
                owed = [Message.from_bytes(row.content) for row in await session.scalars(select(OutboxEntry))]
            events = [event for each in owed if isinstance(event := each.event(), MonitorStateChanged)]
            assert [(event.check, event.before, event.after) for event in events] == [
                ("destination", "ok", "failing"),
                ("switch", "ok", "warning"),
                ("switch", "warning", "ok"),
            ]
    assert "a reason" not in str(found)


async def test_on_a_broker_with_a_pacs_and_while_the_database_is_away(
    tmp_path: Path,
    rabbitmq: RabbitMQ,
    rabbitmq_vhost: str,
    postgres_database: str,
    postgres: PostgreSQL,
    orthanc: Orthanc,
) -> None:
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, postgres_database, rabbitmq_vhost) as context:
            page = f"http://127.0.0.1:{rabbitmq.http_port}/"
            watch = Watch(context, settings_of(hook, receiver, broker_url=page))
            async with context.database.session() as session:
                peer = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_aet": orthanc.aet}
                session.add(Destination(name="pacs", kind="dicom", config=peer))
                session.add(Destination(name="web", kind="dicomweb", config={"url": orthanc.dicomweb_url}))
            await watch.round()
            found = await rows(context)
            assert {row.state for key, row in found.items()} == {"ok"}
            assert {("destination", "pacs"), ("destination", "web")} <= set(found)
            clocks = {subject for name, subject in found if name == "clock"}
            assert clocks == {"database", "broker"}, "Orthanc says no Date"
            assert hook.states() == []
            postgres.stop()
            try:
                await watch.round()
                assert ("database", "", "failing") in hook.states()
            finally:
                postgres.start()
            await watch.round()
            assert hook.states() == [("database", "", "ok")]
            assert (await rows(context))["database", ""].state == "ok"


async def test_another_takes_over_and_tells_nothing_twice(tmp_path: Path, postgres_database: str) -> None:
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, postgres_database, None) as one, context_of(store, postgres_database, None) as two:
            settings = settings_of(hook, receiver)
            first, second = Watch(one, settings), Watch(two, settings)
            async with one.database.session() as session:
                gone = {"host": "127.0.0.1", "port": free_port(), "called_aet": "GONE"}
                session.add(Destination(name="gone", kind="dicom", config=gone))
            await asyncio.gather(first.round(), second.round())
            assert hook.states() == [("destination", "gone", "failing")], "of two that begin at once one looks"
            async with one.database.session() as session:
                holder = await session.scalar(select(MonitorLease.holder))
                await session.execute(update(MonitorLease).values(held_until=now()))
            silent, other = (first, second) if holder == first._holder else (second, first)
            await other.round()
            assert measured("destination", "gone") == 2
            await silent.round()
            assert hook.states() == [], "it knows what was told"
            assert measured("destination", "gone") is None, "what it knew last is not said for ever"
            await other.round()
            Switches(one.store).turn_off(Switch.SEND, "a reason", "k.olsen")
            for watch in (silent, other, silent):
                await watch.round()
            assert hook.states() == [("switch", "send", "warning")]
            assert await sent(one) == ["FIONA: destination gone has failed", "FIONA: switch send needs a look"]
            leaving = asyncio.create_task(other.run())
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            Switches(one.store).turn_on(Switch.SEND)
            await silent.round()
            assert hook.states() == [("switch", "send", "ok")], "one that leaves lets another in at once"


async def test_quiet_hours_and_a_mail_server_that_is_away(tmp_path: Path) -> None:
    url, store, zone = f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}", tmp_path / "store", ZoneInfo("Europe/Oslo")
    moment = datetime(2026, 1, 5, 23, tzinfo=zone)
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, url, None) as context:
            quiet = {"quiet_from": time(22), "quiet_until": time(6)}
            watch = Watch(context, settings_of(hook, receiver, **quiet), clock=lambda: moment)
            switches = Switches(context.store)
            for switch in (Switch.SEND, Switch.RECEIVE):
                switches.turn_off(switch, "a reason", "k.olsen")
            await watch.round()
            switches.turn_on(Switch.RECEIVE)
            await watch.round()
            assert (hook.states(), await waiting(context)) == ([], 0), "warnings wait"
            async with context.database.session() as session:
                gone = {"host": "127.0.0.1", "port": free_port(), "called_aet": "GONE"}
                session.add(Destination(name="gone", kind="dicom", config=gone))
            await watch.round()
            assert hook.states() == [("destination", "gone", "failing")], "a failure does not"
            moment = datetime(2026, 1, 6, 6, tzinfo=zone)
            await watch.round()
            assert hook.states() == [("switch", "send", "warning")], "what was over by then is not told"
            assert await waiting(context) == 2

            away = RegistrySettings(smtp_host="127.0.0.1", smtp_port=free_port(), smtp_tls="none", smtp_seconds=30)
            assert await Mailer(context.database, context.vault, away, Clock()).send_due() == 0
            await watch.round()
            assert await waiting(context) == 2, "nothing is told again because nobody took it"
            assert await sent(context) == [], "it is not asked without end"
            later = Clock(now=lambda: now() + timedelta(hours=1))
            assert sorted(await sent(context, later)) == [
                "FIONA: destination gone has failed",
                "FIONA: switch send needs a look",
            ]


async def test_what_has_come_and_is_not_indexed(tmp_path: Path) -> None:
    """Of associations that have ended and brought more than is known: also, for a day, of those that were given up."""
    long_ago, just_now = now() - timedelta(hours=1), now()
    known = {
        "waits": (5, 3, long_ago, None), "given up": (5, 3, long_ago, just_now), "comes in": (5, 3, just_now, None),
        "goes on": (None, 3, long_ago, None), "whole": (5, 5, long_ago, just_now),
        "long given up": (5, 3, long_ago, now() - timedelta(days=2)),
    }  # fmt: skip
    async with context_of(tmp_path / "store", f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}", None) as context:
        async with context.database.session() as session:
            for id, (announced, indexed, seen, finished) in known.items():
                session.add(
                    Association(id=id, announced=announced, indexed=indexed, last_seen_at=seen, finished_at=finished)
                )
        ground = Ground(context, MonitorSettings(), Switches(context.store))
        readings = await stuck.look(ground, Journal(context.store / "journal"))
    [found] = [each for each in readings if each.subject == "index"]
    assert (found.state, found.detail) == ("failing", "2 associations have brought more than is indexed")
    assert {each.state for each in readings if each is not found} == {"ok"}


async def test_what_nobody_has_published_is_counted_and_timed(tmp_path: Path) -> None:
    folder = tmp_path / "store/journal/receiver-gone/association"
    folder.mkdir(parents=True)
    for number in (1, 2):
        owed = folder / f"{number:08d}.3.owed"
        owed.write_text("abc")
        os.utime(owed, (now().timestamp() - 420,) * 2)
    async with context_of(tmp_path / "store", f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}", None) as context:
        ground = Ground(context, MonitorSettings(), Switches(context.store))
        (found, *_) = await stuck.look(ground, Journal(context.store / "journal"))
    assert (found.state, found.detail) == ("failing", "2 received and not published, the oldest 7 min ago")
    assert REGISTRY.get_sample_value("fiona_monitor_owed_instances") == 2
    assert REGISTRY.get_sample_value("fiona_monitor_owed_oldest_seconds") == pytest.approx(420, abs=30)
    metrics.forget_all()
    assert REGISTRY.get_sample_value("fiona_monitor_owed_oldest_seconds") == 0, "another one is the monitor now"


async def test_heartbeats_of_a_clock_that_was_ahead_hold_no_others_up(tmp_path: Path) -> None:
    async with context_of(tmp_path / "store", f"sqlite+aiosqlite:///{tmp_path / 'fiona.sqlite'}", None) as context:
        async with context.database.session() as session:
            session.add_all(Heartbeat(id=id, sent_at=now() + timedelta(minutes=each)) for id, each in SENT.items())
        ground = Ground(context, MonitorSettings(), Switches(context.store))
        assert [row.id for row in await beating.latest(ground)] == ["now", "before"]


async def test_how_long_messages_wait_on_a_broker(tmp_path: Path, rabbitmq_vhost: str, postgres_database: str) -> None:
    """By what was published and the inbox does not know; what was handled, or died before, does not count."""
    store = tmp_path / "store"
    with webhook() as hook, LocalReceiver(store) as receiver:
        async with context_of(store, postgres_database, rabbitmq_vhost) as context:
            messages = [Message.of(AssociationClosed(association=str(n), instances=1)) for n in range(3)]
            async with context.database.session() as session:
                await add(session, messages)
            assert await context.relay.move() == 3
            async with context.database.session() as session:
                for message, minutes in zip(messages, (90, 30, 5), strict=True):
                    this = update(PublishedMessage).where(PublishedMessage.message == message.id)
                    await session.execute(this.values(published_at=now() - timedelta(minutes=minutes)))
                await claim(session, "indexer.association.closed.v1", messages[0].id)
            watch = Watch(context, settings_of(hook, receiver))
            await watch.round()
            found = await rows(context)
            assert found["queue", "indexer"].detail == "3 wait, the oldest for 30 min"
            assert found["queue", "router"].detail == "empty"
            queue = {"queue": "indexer.association.closed.v1"}
            assert (REGISTRY.get_sample_value("fiona_monitor_queue_oldest_seconds", queue) or 0) >= 1800
            async with context.database.session() as session:
                session.add(InboxEntry(queue=queue["queue"], message="ahead", handled_at=now() + timedelta(hours=2)))
            await watch.round()
            stalled = REGISTRY.get_sample_value("fiona_monitor_queue_stalled_seconds", queue)
            assert stalled, "what was handled by a clock that was ahead says nothing"
            async with context.database.session() as session:
                await claim(session, queue["queue"], messages[1].id)
            await watch.round()
            assert (await rows(context))["queue", "indexer"].detail == "3 wait, the oldest for 5 min"
