"""The parts a service is put together from; data only."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shared.bus.protocol import Bus
from shared.crypto import Vault, open_vault
from shared.database import Database
from shared.events import Event
from shared.handlers import Handlers
from shared.ledger.relay import Relay
from shared.service.health import Health
from shared.settings import Settings
from shared.store import Store

Resources = dict[type[Any], Any]


@dataclass
class Context:
    """What one process has: shared by all services in it."""

    settings: Settings
    store: Store
    bus: Bus
    health: Health
    maybe_database: Database | None = None
    maybe_relay: Relay | None = None
    keeps_keys: bool = False

    @cached_property
    def vault(self) -> Vault:
        """The keys; read when first needed, the one that hashes when the database is first reached."""
        vault = open_vault(self.settings)
        if self.keeps_keys:
            vault.keep_hash_key(None)
        return vault

    @property
    def database(self) -> Database:
        """The database; an error in a service that said it needs none."""
        if self.maybe_database is None:
            raise RuntimeError("this process has no database")
        return self.maybe_database

    @property
    def relay(self) -> Relay:
        """The relay between outbox and bus."""
        if self.maybe_relay is None:
            raise RuntimeError("this process has no outbox")
        return self.maybe_relay

    def resources(self) -> Resources:
        """What every handler and tick may ask for by type; the keys only where a service in the process uses them."""
        keys: Resources = {Vault: self.vault} if self.keeps_keys else {}
        return {Settings: self.settings, Store: self.store, Database: self.database, **keys}


@dataclass(frozen=True)
class Tick:
    """Something to look at every so often, by one replica at a time, in one transaction with its events."""

    every: float
    function: Callable[..., Awaitable[Sequence[Event] | None]]


@dataclass(frozen=True)
class Service:
    """One verb of the gateway."""

    name: str
    handlers: Handlers = field(default_factory=Handlers)
    ticks: tuple[Tick, ...] = ()
    open: Callable[[Context], AbstractAsyncContextManager[Resources]] | None = None
    serve: Callable[[Context, Callable[[], None]], Awaitable[None]] | None = None
    beside: Callable[[Context], Coroutine[None, None, None]] | None = None
    """Runs from the start, also while the database is away or its schema is not ours: it has to look for itself."""
    uses_database: bool = True
    uses_keys: bool = True
    prefetch: int = 8
