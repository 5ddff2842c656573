"""A monitor that is started while the database is away: it looks at what it can, and tells the webhook."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import inspect, update

from services.monitor import watch as watching
from services.monitor.service import service
from services.monitor.watch import Watch
from shared.service import run
from shared.service.runner import open_context
from shared.settings import Settings
from shared.tables import MonitorCheck, MonitorLease
from shared.tables.base import now
from tests.components.postgres import PostgreSQL
from tests.components.receiver import LocalReceiver
from tests.components.webhook import Hook, webhook
from tests.integration.test_monitor import rows, sent, settings_of
from tests.integration.test_monitor_reach import dark

FAILED = {("bus", "", "failing"), ("database", "", "failing")}
WELL = {("bus", "", "ok"), ("database", "", "ok")}


def settings(folder: Path, url: str) -> Settings:
    return Settings(data=folder, database_url=SecretStr(url), secret_key=SecretStr("a master key for tests only"))


async def told(hook: Hook, wanted: set[tuple[str, str, str]]) -> None:
    """Wait until the webhook was told all of this, and nothing else."""
    found: set[tuple[str, str, str]] = set()
    async with asyncio.timeout(120):
        while not found >= wanted:
            found |= set(hook.states())
            await asyncio.sleep(0.05)
    assert found == wanted


async def test_the_process_tells_before_it_has_ever_reached_the_database(
    tmp_path: Path, migrated_postgres: str, postgres: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    with webhook() as hook, LocalReceiver(tmp_path / "store") as receiver:
        said = {"WEBHOOK_URL": hook.url, "WEBHOOK_TOKEN": "a secret", "RECEIVER_PORT": str(receiver.port)}
        often = {"EVERY_SECONDS": "0.2", "ECHO_SECONDS": "30", "HEARTBEAT_SECONDS": "0", "LOOKS": "2"}
        disks = {"DISK_WARNING": "0.9999", "DISK_FAILING": "0.9999"}
        for name, value in (said | often | disks).items():
            monkeypatch.setenv(f"FIONA_MONITOR_{name}", value)
        postgres.stop()
        try:
            gateway = settings(tmp_path / "store", migrated_postgres)
            running = asyncio.create_task(run([service], gateway, stop, signals=False))
            await told(hook, FAILED)
        finally:
            postgres.start()
        await told(hook, WELL)
        stop.set()
        async with asyncio.timeout(60):
            await running


async def test_what_was_told_alone_is_told_well_again_and_what_was_told_before_is_not_forgotten(
    tmp_path: Path, migrated_postgres: str, postgres: PostgreSQL
) -> None:
    gateway = settings(tmp_path / "store", migrated_postgres)
    with webhook() as hook, LocalReceiver(tmp_path / "store") as receiver:
        before, context = open_context([service], gateway), open_context([service], gateway)
        await before.database.migrate()
        await Watch(before, settings_of(hook, receiver)).round()
        assert hook.states() == []
        async with before.database.session() as session:
            # As its last monitor left it, a day ago: the receiver was away, and people know.
            away = {"state": "failing", "seen": "failing", "mailed": "failing", "posted": "failing"}
            await session.execute(update(MonitorCheck).where(MonitorCheck.name == "receiver").values(**away))
            await session.execute(update(MonitorLease).values(held_until=now()))
        await before.database.close()

        watch = Watch(context, settings_of(hook, receiver))
        postgres.stop()
        try:
            for _ in range(2):
                await watch.round()
            assert set(hook.states()) == FAILED, "once, and the receiver is well"
        finally:
            postgres.start()
        await context.database.migrate()
        await watch.round()
        assert set(hook.states()) == WELL | {("receiver", "", "ok")}
        assert {each.state for each in (await rows(context)).values()} == {"ok"}
        assert await sent(context) == ["FIONA: receiver is well again"], "nothing was mailed of what is over"
        await context.bus.close()
        await context.database.close()


async def test_a_database_of_another_version_has_its_own_monitor(tmp_path: Path, postgres_database: str) -> None:
    with webhook() as hook, LocalReceiver(tmp_path / "store") as receiver:
        context = open_context([service], settings(tmp_path / "store", postgres_database))
        watch = Watch(context, settings_of(hook, receiver))
        await watch.round()
        assert hook.states() == []
        async with context.database.engine.connect() as connection:
            assert await connection.run_sync(lambda each: inspect(each).get_table_names()) == []
        await context.bus.close()
        await context.database.close()


async def test_who_has_seen_another_at_work_leaves_it_to_it(
    tmp_path: Path, migrated_postgres: str, postgres: PostgreSQL
) -> None:
    gateway = settings(tmp_path / "store", migrated_postgres)
    with webhook() as hook, LocalReceiver(tmp_path / "store") as receiver:
        contexts = [open_context([service], gateway) for _ in range(2)]
        first, second = (Watch(each, settings_of(hook, receiver)) for each in contexts)
        for context, watch in zip(contexts, (first, second), strict=True):
            await context.database.migrate()
            await watch.round()
        postgres.stop()
        try:
            await second.round()
            assert hook.states() == []
            await first.round()
            assert set(hook.states()) == FAILED
        finally:
            postgres.start()
        for context in contexts:
            await context.bus.close()
            await context.database.close()


async def test_a_database_that_says_nothing_is_away_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LATE", 0.5)
    async with dark() as peer:
        with webhook() as hook, LocalReceiver(tmp_path / "store") as receiver:
            gateway = settings(tmp_path / "store", f"postgresql+asyncpg://nobody@127.0.0.1:{peer.port}/nowhere")
            nowhere = gateway.model_copy(update={"bus_url": SecretStr("amqp://127.0.0.1:9/")})
            context = open_context([service], nowhere)
            await Watch(context, settings_of(hook, receiver)).round()
            assert ("database", "", "failing") in hook.states()
            await context.bus.close()
            await context.database.close()
