"""The way to each destination: its circuit, its slots, its configuration as it stands in the database now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from pydantic import ValidationError

from services.sender.circuit import Circuit, Permission
from services.sender.clients import Client, Unavailable, client
from services.sender.metrics import CIRCUIT_OPEN, CIRCUIT_OPENED
from services.sender.settings import SenderSettings
from shared import heartbeat
from shared.database import Database, DatabaseUnavailable
from shared.destinations import DestinationConfig, parse_destination
from shared.destinations.echo import EchoFailed, echo
from shared.handlers import Reject, Retry
from shared.log import logger
from shared.store import Store
from shared.tables.registry import Destination

log = logger("sender")
BUSY = 10.0
"""Seconds until a part comes back that found no free slot."""


@dataclass
class Lane:
    """What this process keeps of a destination."""

    circuit: Circuit
    slots: asyncio.Semaphore
    size: int


@dataclass(frozen=True)
class Opened:
    """A destination to work with, while a slot of it is held."""

    kind: str
    client: Client


class Destinations:
    """All lanes of this process."""

    def __init__(self, database: Database, store: Store, settings: SenderSettings) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._lanes: dict[str, Lane] = {}

    @asynccontextmanager
    async def open(self, name: str) -> AsyncIterator[Opened]:
        """Hold a slot and the client. Retry when the destination is down, also if that shows in the block.

        Reject when there is no such destination or its configuration makes no sense.
        """
        config = await self._config(name)
        lane = self._lane(name, config)
        await self._pass(name, config, lane.circuit)
        try:
            await asyncio.wait_for(lane.slots.acquire(), self._settings.slot_seconds)
        except TimeoutError:
            raise Retry(f"{name} is busy", delay=BUSY) from None
        try:
            if lane.circuit.is_open:
                raise Retry(f"{name} is down", delay=lane.circuit.delay())
            yield Opened(config.kind, client(name, config, self._store, self._settings))
            self._closed(name, lane.circuit)
        except Unavailable as error:
            self._failed(name, lane.circuit, str(error))
            raise Retry(f"{name}: {error}", delay=lane.circuit.delay()) from error
        finally:
            lane.slots.release()

    async def _pass(self, name: str, config: DestinationConfig, circuit: Circuit) -> None:
        permission = circuit.ask()
        if permission is Permission.WAIT:
            raise Retry(f"{name} is down", delay=circuit.delay())
        if permission is Permission.PROBE:
            try:
                await echo(name, config, self._store.root)
            except EchoFailed as error:
                self._failed(name, circuit, str(error))
                raise Retry(f"{name}: {error}", delay=circuit.delay()) from error
            finally:
                circuit.probed()
            self._closed(name, circuit)

    async def look_again(self) -> None:
        """Probe who is down, though nobody has anything for them here: others may have brought it, or it was cancelled.

        Who is no destination any more is forgotten. DatabaseUnavailable when nobody knows.
        """
        for name, lane in list(self._lanes.items()):
            if not lane.circuit.is_open:
                continue
            try:
                with suppress(Retry):
                    await self._pass(name, await self._config(name), lane.circuit)
            except Reject:
                del self._lanes[name]
                CIRCUIT_OPEN.remove(name)

    async def keep_looking(self) -> None:
        """For as long as the service runs."""
        while True:
            await asyncio.sleep(self._settings.probe_seconds)
            try:
                await self.look_again()
            except DatabaseUnavailable as error:
                log.warning("database unavailable", error=str(error))
            except Exception:
                log.exception("tick failed")

    def _closed(self, name: str, circuit: Circuit) -> None:
        if circuit.is_open:
            log.info("destination is back", destination=name)
        circuit.succeeded()
        CIRCUIT_OPEN.labels(name).set(0)

    def _failed(self, name: str, circuit: Circuit, why: str) -> None:
        was_open = circuit.is_open
        circuit.failed()
        CIRCUIT_OPEN.labels(name).set(circuit.is_open)
        if circuit.is_open and not was_open:
            CIRCUIT_OPENED.labels(name).inc()
            log.warning("destination is down", destination=name, why=why)

    def _lane(self, name: str, config: DestinationConfig) -> Lane:
        lane = self._lanes.get(name)
        if lane is None or lane.size != config.associations:
            circuit = lane.circuit if lane else self._circuit()
            lane = Lane(circuit, asyncio.Semaphore(config.associations), config.associations)
            self._lanes[name] = lane
        return lane

    def _circuit(self) -> Circuit:
        return Circuit(threshold=self._settings.circuit_failures, probe_every=self._settings.probe_seconds)

    async def _config(self, name: str) -> DestinationConfig:
        if name == heartbeat.DESTINATION:
            return heartbeat.TAKES_ALL
        async with self._database.reading() as session:
            row = await session.get(Destination, name)
        if row is None:
            raise Reject(f"no destination {name}")
        try:
            return parse_destination(row.kind, row.config)
        except ValidationError as error:
            fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors(include_input=False))
            raise Reject(f"the configuration of {name} is wrong: {fields}") from error
