"""One way into the database, the same on SQLite and PostgreSQL: short transactions, a name for its absence,
and locks by name for what two replicas must not do at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Executable, Table, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.tables.base import Base

_TRANSIENT = ("08", "53", "57P", "58", "25006", "25P03", "40001", "40P01", "55P03")
"""How the SQLSTATEs begin that mean "not now": connection, resources (a full disk among them), shutdown, I/O,
a standby that was primary, idle for too long, serialization, deadlock, lock."""

_SQLITE_TRANSIENT = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""The same for SQLite; what is wrong with a statement is not among them."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached, is shutting down, is full or is locked: try again later."""


class Database:
    """An engine and its two kinds of session."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.sqlite else _postgresql_engine(url)
        self._writing = async_sessionmaker(self.engine, expire_on_commit=False)
        reader = self.engine.execution_options(fiona_reading=True)
        self._reading = async_sessionmaker(reader, expire_on_commit=False)
        self.migrated = False
        self._writer = asyncio.Lock() if self.sqlite else nullcontext()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """One transaction for writing: committed at the end of the block, rolled back by an exception.

        On SQLite it holds the one write lock: keep it short, and never open a second one inside it.
        """
        async with self._writer, self._open(reading=False) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A consistent view; nothing written in it is kept."""
        async with self._open(reading=True) as session:
            yield session

    @asynccontextmanager
    async def _open(self, reading: bool) -> AsyncIterator[AsyncSession]:
        try:
            with _absence_named():
                async with (self._reading if reading else self._writing)() as session:
                    yield session
                    if not reading:
                        await session.commit()
        except OSError as error:
            if not _came_from_driver(error):
                raise
            raise DatabaseUnavailable(type(error).__name__) from error

    async def ping(self) -> None:
        """Raise DatabaseUnavailable unless it answers."""
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def ready(self) -> None:
        """Raise DatabaseUnavailable unless it answers and has the schema of this code."""
        if not self.migrated:
            raise DatabaseUnavailable("not reached since the start")
        await self.ping()

    async def migrate(self, only_look: bool = False) -> None:
        """Bring the schema to the version that this code knows; of many at once, one does it.

        A role that may not waits for one that may, and who may only look for one that does: DatabaseUnavailable
        until then.
        """
        from shared.migrations import bring_up_to_date, is_up_to_date

        if self.migrated:
            return
        try:
            if self.sqlite and self.url.database and self.url.database != ":memory:":
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            with _absence_named():
                async with self._writer, self.engine.begin() as connection:
                    if not self.sqlite:
                        await connection.execute(
                            text("SELECT pg_advisory_xact_lock(:key)"), {"key": _number("migrate")}
                        )
                    ready = await connection.run_sync(is_up_to_date if only_look else bring_up_to_date)
            if not ready and only_look:
                raise DatabaseUnavailable("`fiona migrate` has to bring its schema to this version")
            if not ready:
                raise DatabaseUnavailable("a process that may see identities has to bring its schema to this version")
            self.migrated = True
        except OSError as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


async def lock(session: AsyncSession, *names: str) -> None:
    """Hold a name until the transaction ends; others who want it wait. (SQLite has one writer anyway.)"""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _number(*names)})


async def try_lock(session: AsyncSession, *names: str) -> bool:
    """The same without waiting: False when somebody else holds it."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    answer = await session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _number(*names)})
    return bool(answer.scalar_one())


async def insert_new(session: AsyncSession, table: type[Base], rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows, skipping those whose key is taken; how many were new.

    Waits for a transaction that is inserting the same key, so that exactly one of two replicas counts it.
    """
    statement = _insert_new(table, session.get_bind().dialect.name)
    return len((await session.execute(statement, list(rows))).all()) if rows else 0


@cache
def _insert_new(table: type[Base], dialect: str) -> Executable:
    """Made once: with the rows as parameters it is compiled once, and sent in as many pages as the driver needs."""
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    local = cast(Table, inspect(table).local_table)
    return insert(local).on_conflict_do_nothing().returning(*local.primary_key)


def _number(*names: str) -> int:
    return int.from_bytes(sha256("\x1f".join(names).encode()).digest()[:8], signed=True)


@contextmanager
def _absence_named() -> Iterator[None]:
    """Give what the driver says of a database that is away, full or locked its one name."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if _is_unavailable(error):
            raise DatabaseUnavailable(type(error).__name__) from error
        raise


def _is_unavailable(error: DBAPIError | PoolTimeout) -> bool:
    if isinstance(error, PoolTimeout) or error.connection_invalidated:
        return True
    if isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return False  # asyncpg's word for a value that its column cannot hold
    if state := getattr(error.orig, "sqlstate", None):
        return str(state).startswith(_TRANSIENT)
    if code := getattr(error.orig, "sqlite_errorname", None):
        return str(code).startswith(_SQLITE_TRANSIENT)
    return isinstance(error, OperationalError | InterfaceError)


def _came_from_driver(error: BaseException) -> bool:
    """Whether a bare error of the network was raised while asyncpg opened a connection, not by a handler's own work."""
    trace = error.__traceback__
    while trace is not None:
        if "asyncpg" in trace.tb_frame.f_code.co_filename:
            return True
        trace = trace.tb_next
    return False


GONE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""When the server gives up a client that says nothing: else the locks of a machine without power are held for hours."""


def _postgresql_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=10, max_overflow=10, pool_timeout=15, connect_args={"server_settings": GONE}
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, *_: Any) -> None:
        """The driver notices at once when a server goes: no need to ask over the wire each time."""
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _sqlite_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        connect_args={"timeout": 30},
        execution_options={"schema_translate_map": {"identity": None}},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("fiona_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
