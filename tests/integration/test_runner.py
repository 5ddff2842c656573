"""The runner of services on the embedded defaults: start, work, drain, end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.bus import Message
from shared.bus.embedded import EmbeddedBus
from shared.crypto import Vault
from shared.database import Database, DatabaseUnavailable
from shared.events import AssociationClosed
from shared.handlers import Handlers
from shared.keys import WrongKey
from shared.service import Context, Service, run
from shared.service.runner import open_context
from shared.settings import Settings

CLOSED = AssociationClosed(association="a", instances=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", drain_seconds=0.5, log_level="ERROR")


async def publish(settings: Settings) -> None:
    """As another process would."""
    database = Database(settings.database())
    await database.migrate()
    await EmbeddedBus(database).publish([Message.of(CLOSED)])
    await database.close()


def slow_service(seconds: float, started: asyncio.Event, finished: list[str]) -> Service:
    handlers = Handlers()

    @handlers.on(AssociationClosed)
    async def take_time(event: AssociationClosed) -> None:
        started.set()
        await asyncio.sleep(seconds)
        finished.append(event.association)

    return Service(name="indexer", handlers=handlers)


async def test_what_is_in_hand_is_finished(settings: Settings) -> None:
    started, stop, finished = asyncio.Event(), asyncio.Event(), list[str]()
    patient = settings.model_copy(update={"drain_seconds": 60})
    running = asyncio.create_task(run([slow_service(0.2, started, finished)], patient, stop, signals=False))
    await publish(settings)
    async with asyncio.timeout(60):
        await started.wait()
        stop.set()
        await running
    assert finished == ["a"]


async def test_what_takes_too_long_is_left_for_the_next_start(settings: Settings) -> None:
    started, stop, finished = asyncio.Event(), asyncio.Event(), list[str]()
    running = asyncio.create_task(run([slow_service(60, started, finished)], settings, stop, signals=False))
    await publish(settings)
    async with asyncio.timeout(60):
        await started.wait()
        stop.set()
        await running
    assert finished == []
    database = Database(settings.database())
    assert (await EmbeddedBus(database).depths())["indexer.association.closed.v1"] == 1
    await database.close()


async def test_a_service_that_fails_ends_the_process_with_its_error(settings: Settings) -> None:
    async def fail(context: Context, ready: Callable[[], None]) -> None:
        ready()
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        async with asyncio.timeout(60):
            await run([Service(name="api", serve=fail)], settings, signals=False)


async def test_a_server_starts_before_the_database_is_reached(tmp_path: Path) -> None:
    """The receiver, and STOW-RS, take images while the database is still away."""
    serving, stop = asyncio.Event(), asyncio.Event()

    async def serve(context: Context, ready: Callable[[], None]) -> None:
        ready()
        serving.set()
        await asyncio.Event().wait()

    settings = Settings(
        data=tmp_path / "data",
        database_url="postgresql+asyncpg://nobody@127.0.0.1:9/nowhere",
        bus_url="amqp://127.0.0.1:9/",
        drain_seconds=0.5,
        log_level="ERROR",
    )
    running = asyncio.create_task(run([Service(name="api", serve=serve)], settings, stop, signals=False))
    async with asyncio.timeout(60):
        await serving.wait()
        stop.set()
        await running


async def test_what_runs_beside_begins_before_the_database_is_reached_and_handlers_do_not(tmp_path: Path) -> None:
    """The monitor tells that the database is away. What it leaves open it closes, before the database is closed."""
    begun, stop, said = asyncio.Event(), asyncio.Event(), list[str]()

    async def beside(context: Context) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            said.append("ended")

    @asynccontextmanager
    async def opened(_: Context) -> AsyncIterator[dict[type, object]]:
        said.append("opened")
        yield {}

    settings = Settings(
        data=tmp_path / "data",
        database_url="postgresql+asyncpg://nobody@127.0.0.1:9/nowhere",
        bus_url="amqp://127.0.0.1:9/",
        drain_seconds=60,
        log_level="ERROR",
    )
    waits = replace(slow_service(0, asyncio.Event(), []), beside=beside, open=opened)
    running = asyncio.create_task(run([waits], settings, stop, signals=False))
    async with asyncio.timeout(60):
        await begun.wait()
        assert said == [], "it does not handle anything yet"
        stop.set()
        await running
    assert "ended" in said


async def test_what_fails_beside_ends_the_process_with_its_error(settings: Settings) -> None:
    async def fail(_: Context) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        async with asyncio.timeout(60):
            await run([Service(name="indexer", handlers=Handlers(), beside=fail)], settings, signals=False)


async def hash_seen_by_a_handler(settings: Settings) -> str:
    """Start, handle one event, stop: what a handler got for a patient."""
    seen: list[str] = []
    stop, handlers = asyncio.Event(), Handlers()

    @handlers.on(AssociationClosed)
    async def find(event: AssociationClosed, vault: Vault) -> None:
        seen.append(vault.hash("patient", "1"))
        stop.set()

    running = asyncio.create_task(run([Service(name="indexer", handlers=handlers)], settings, stop, signals=False))
    database = Database(settings.database())
    await database.migrate()
    closed = AssociationClosed(association="a", instances=len(settings.secret_key_old))
    await EmbeddedBus(database).publish([Message.of(closed)])
    await database.close()
    async with asyncio.timeout(60):
        await running
    return seen[0]


async def test_a_patient_is_found_under_every_master_key_and_a_wrong_one_stops_the_start(settings: Settings) -> None:
    def under(key: str, *older: str) -> Settings:
        keys = {"secret_key": SecretStr(key), "secret_key_old": tuple(map(SecretStr, older))}
        return settings.model_copy(update=keys)

    first = await hash_seen_by_a_handler(under("the first master key"))
    assert await hash_seen_by_a_handler(under("the second one, longer", "the first master key")) == first
    with pytest.raises(WrongKey):
        async with asyncio.timeout(60):
            await run([Service(name="api", handlers=Handlers())], under("the second one, longer"), signals=False)


async def test_nothing_is_hashed_before_the_database_is_reached(settings: Settings) -> None:
    context = open_context([Service(name="api")], settings)
    with pytest.raises(DatabaseUnavailable):
        context.vault.hash("patient", "1")
    sealed = context.vault.encrypt("x")
    assert context.vault.decrypt(sealed) == "x"
