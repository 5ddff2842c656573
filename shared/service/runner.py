"""Start services, say when they are ready, and let them finish what they have in hand on SIGTERM."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

from shared import log as logs
from shared.audit import Record, spool
from shared.bus import RetryTiers
from shared.bus.open import open_bus
from shared.database import Database, DatabaseUnavailable
from shared.keys import settle_hash_key
from shared.ledger import Relay
from shared.service import health as health_pages
from shared.service.composition import Context, Service
from shared.service.health import Health
from shared.service.metrics import READY
from shared.service.processor import Processor
from shared.service.switched import consume
from shared.service.ticks import run_tick
from shared.settings import Settings
from shared.store import Store
from shared.switches import Switches
from shared.topology import queue
from shared.tracing.export import configure as configure_tracing

log = logs.logger("service")


def main(*services: Service) -> None:
    """Run services in this process until SIGTERM or SIGINT."""
    import uvloop

    settings = Settings()
    logs.configure(settings.log_level)
    logs.catch_all()
    uvloop.run(run(services, settings))


async def run(
    services: Sequence[Service], settings: Settings, stop: asyncio.Event | None = None, signals: bool = True
) -> None:
    """Run services until `stop` is set (or a signal comes); raises what made one of them fail."""
    stop = stop or asyncio.Event()
    if signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    end_tracing = configure_tracing(settings, [service.name for service in services])
    context = open_context(services, settings)
    tasks = [asyncio.create_task(_stay(service, context, stop), name=service.name) for service in services]
    around = [*_around(context), *_beside(services, context, stop)]
    stopped = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([*tasks, *around, stopped], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        log.info("stopping")
        results = await _drained(tasks, settings.drain_seconds)
        if context.maybe_relay is not None:
            await _last_move(context.maybe_relay)
    finally:
        for task in (*around, stopped, *tasks):
            task.cancel()
        await asyncio.gather(*around, stopped, *tasks, return_exceptions=True)
        await context.bus.close()
        if context.maybe_database is not None:
            await context.maybe_database.close()
        await asyncio.to_thread(end_tracing)
    for result in [*results, *(task.exception() for task in done if task in around and not task.cancelled())]:
        if isinstance(result, BaseException):
            raise result


async def _drained(tasks: Sequence[asyncio.Task[None]], seconds: float) -> list[BaseException | None]:
    """Let services finish what they have in hand; what is not done in time will be delivered again."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        log.warning("not drained in time", service=task.get_name())
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [None if isinstance(result, asyncio.CancelledError) else result for result in results]


def open_context(services: Sequence[Service], settings: Settings) -> Context:
    """What the process has: no database when neither a service nor the bus needs one."""
    settings.data.mkdir(parents=True, exist_ok=True)
    embedded = settings.bus() == "embedded:"
    keeps_keys = any(service.uses_database and service.uses_keys for service in services)
    needed = embedded or any(service.uses_database for service in services)
    database = Database(settings.database()) if needed else None
    tiers = RetryTiers(tuple(settings.bus_retry_seconds))
    bus = open_bus(settings.bus(), database, tiers, settings.bus_settling_seconds)
    health = Health()
    health.checks["bus"] = bus.ping
    relay = None
    if database is not None:
        health.checks["database"] = database.ready
        relay = Relay(database, bus, kept=timedelta(days=settings.published_days))
    return Context(settings, Store(settings.data), bus, health, database, relay, keeps_keys)


def _around(context: Context) -> list[asyncio.Task[None]]:
    """What runs beside the services: the relay, and the health pages when they have a port of their own."""
    tasks = []
    if context.maybe_relay is not None:
        tasks.append(asyncio.create_task(_relay(context), name="relay"))
    if context.settings.health_port:
        pages = health_pages.serve(context.health, context.settings.health_host, context.settings.health_port)
        tasks.append(asyncio.create_task(pages, name="health"))
    return tasks


def _beside(services: Sequence[Service], context: Context, stop: asyncio.Event) -> list[asyncio.Task[None]]:
    """What services have running from the start until it is time to stop."""
    return [
        asyncio.create_task(_unless(stop, service.beside(context)), name=f"beside {service.name}")
        for service in services
        if service.beside is not None
    ]


async def _relay(context: Context) -> None:
    await _migrated(context)
    await context.relay.run()


async def _last_move(relay: Relay) -> None:
    """Publish what the last handlers left, if the world lets us; it is owed durably anyway."""
    try:
        async with asyncio.timeout(5):
            while await relay.move():
                pass
    except Exception as error:
        log.info("outbox left for the next start", error=type(error).__name__)


async def _migrated(context: Context) -> None:
    """Wait for the database and its schema (brought there, where settings say so); take from it the key of hashes."""
    pause = 0.5
    while True:
        try:
            await context.database.migrate(only_look=not context.settings.migrate)
            if context.keeps_keys:
                await settle_hash_key(context.database, context.vault)
            return
        except DatabaseUnavailable as error:
            log.warning("waiting for the database", error=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)


async def _stay(service: Service, context: Context, stop: asyncio.Event) -> None:
    """One service from start to drained end."""
    said_ready = context.health.expect(service.name)
    READY.labels(service.name).set(0)

    def ready() -> None:
        said_ready()
        READY.labels(service.name).set(1)

    await _note(context, service, "application_started")
    if service.handlers.table or service.ticks:
        await _unless(stop, _migrated(context))
    async with AsyncExitStack() as stack:
        resources = context.resources() if service.uses_database else {}
        if service.open is not None:
            resources |= await stack.enter_async_context(service.open(context))
        running: list[asyncio.Task[None]] = []
        if service.uses_database:
            processor = Processor(service, resources, context.database, context.relay)
            for handler in service.handlers:
                home = queue(service.name, handler.event)
                if handler.switch is None:
                    consuming = context.bus.consume(home, processor, service.prefetch)
                else:
                    consuming = consume(
                        context.bus, home, processor, service.prefetch, Switches(context.store), handler.switch
                    )
                await stack.enter_async_context(consuming)
            running += [
                asyncio.create_task(run_tick(service, tick, resources, context.database, context.relay))
                for tick in service.ticks
            ]
        if service.serve is not None:
            running.append(asyncio.ensure_future(service.serve(context, ready)))
        else:
            ready()
        log.info("service started", service=service.name)
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        finally:
            READY.labels(service.name).set(0)
            for task in (stopped, *running):
                task.cancel()
            results = await asyncio.gather(*running, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
    await _note(context, service, "application_stopped")
    log.info("service stopped", service=service.name)


async def _note(context: Context, service: Service, operation: str) -> None:
    """Tell the audit that a service starts or stops; a full disk keeps none from doing so."""
    record = Record(actor=service.name, actor_kind="service", operation=operation, outcome="done")
    try:
        await asyncio.to_thread(spool.write, context.store, [record])
    except OSError as error:
        log.warning("the audit is not told", operation=operation, error=type(error).__name__)


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do the work, or give it up when it is time to stop."""
    task = asyncio.create_task(work)
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
