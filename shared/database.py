"""One way into the database, the same on SQLite and PostgreSQL: short transactions, a name for its absence,
and locks by name for what two replicas must not do at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from sqlalchemy import Executable, Table, event, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.tables.base import Base

_NOT_NOW = {
    "08": "no connection",
    "25006": "it is a standby now",
    "25P03": "a transaction was idle for too long",
    "28": "it refuses our user or password",
    "3D": "it has no database of this name",
    "40001": "serialization",
    "40P01": "deadlock",
    "53": "it is out of room or connections",
    "55P03": "locked",
    "57P": "it is starting, ending or was ended",
    "58": "its disk fails",
}
"""How the SQLSTATEs begin that pass, if need be when somebody mends something, and how logs say it. A password that is
being changed, and a database that is not restored yet, are among them: whoever waits goes on by itself."""

_SQLITE_TRANSIENT = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN")
"""The same for SQLite; what is wrong with a statement is not among them."""

NEWER = "its schema is of a newer version: this process is to be replaced by one of that version"


class DatabaseUnavailable(Exception):
    """The database cannot be reached, is shutting down, is full or is locked: try again later."""


class Database:
    """An engine and its two kinds of session."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.sqlite else _postgresql_engine(url)
        self._writing = async_sessionmaker(self.engine, expire_on_commit=False)
        reader = self.engine.execution_options(fiona_reading=True, **({} if self.sqlite else ONE_VIEW))
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
        """One view of the database, as it is at the first statement; nothing written in it is kept.

        On PostgreSQL nothing can be written, and no row be locked. What has to see what others commit meanwhile opens
        another one: a long one keeps the database from clearing up what was changed since.
        """
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
        await self.check_schema()

    async def check_schema(self) -> None:
        """Raise DatabaseUnavailable when the schema is of another version than this code by now."""
        from shared.migrations import is_up_to_date

        async with self.reading() as session:
            if not await (await session.connection()).run_sync(is_up_to_date):
                raise DatabaseUnavailable("its schema is of another version by now: this process is to be replaced")

    async def migrate(self, only_look: bool = False) -> None:
        """Bring the schema to the version that this code knows; of many at once, one does it.

        A role that may not waits for one that may, and who may only look for one that does: DatabaseUnavailable
        until then; for good, where the schema is of a newer version.
        """
        from shared.migrations import bring_up_to_date, is_newer, look

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
                    ready = await connection.run_sync(look if only_look else bring_up_to_date)
                    newer = not ready and await connection.run_sync(is_newer)
            if newer:
                raise DatabaseUnavailable(NEWER)
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


async def plan_anew(session: AsyncSession) -> None:
    """Until the transaction ends, plan each statement for the tables as large as they are.

    PostgreSQL keeps the plan of a statement that was run some times. One that it made while a table was empty reads
    the table whole for each portion of a list that has just filled it, until the statistics are made anew.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))


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
        if (why := _why_unavailable(error)) is not None:
            raise DatabaseUnavailable(why) from error
        raise


def _why_unavailable(error: DBAPIError | PoolTimeout) -> str | None:
    """In words of ours: the driver's own may quote values. None: it is something else that is wrong."""
    kind = type(error).__name__
    if isinstance(error, PoolTimeout):
        return kind
    if not error.connection_invalidated and isinstance(getattr(error.orig, "__cause__", None), ValueError):
        return None  # asyncpg's word for a value that its column cannot hold
    state = str(getattr(error.orig, "sqlstate", None) or "")
    why = next((words for begins, words in _NOT_NOW.items() if state.startswith(begins)), None)
    if why is not None or error.connection_invalidated:
        return why or kind
    if state:
        return None
    if code := getattr(error.orig, "sqlite_errorname", None):
        return str(code) if str(code).startswith(_SQLITE_TRANSIENT) else None
    return kind if isinstance(error, OperationalError | InterfaceError) else None


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

IN_MEMORY = {"random_page_cost": "1.1"}
"""What we look for again and again is in memory, else on flash. The server's own 4 is for disks that turn: with it the
planner reads tables whole to count what an index alone could tell."""


ONE_VIEW = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Told with the BEGIN that there is anyway: else each statement sees what was committed before it (read committed). Who
only reads is never asked to try again."""


def _postgresql_engine(url: str) -> AsyncEngine:
    place = make_url(url)
    told: dict[str, Any] = {"server_settings": GONE | IN_MEMORY}
    if authority := place.query.get("sslrootcert"):
        # Only as a part of a DSN does the driver take it; it reads the file for each connection.
        trusted = urlencode({"sslmode": place.query.get("ssl", "verify-full"), "sslrootcert": authority})
        place, told = place.difference_update_query(["ssl", "sslrootcert"]), told | {"dsn": f"postgresql:///?{trusted}"}
    engine = create_async_engine(place, pool_size=10, max_overflow=10, pool_timeout=15, connect_args=told)

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

    ending: set[asyncio.Future[None]] = set()

    @event.listens_for(engine.sync_engine, "invalidate")
    def roll_back(connection: Any, *_: Any) -> None:
        """SQLite keeps the lock of a connection that is closed in the middle of a statement, as one is by a cancelled
        task, until Python has forgotten the statement: whoever was cancelled could not write a last word."""
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            ending.add(task := asyncio.ensure_future(connection.driver_connection.rollback()))
            task.add_done_callback(ended)

    def ended(task: asyncio.Future[None]) -> None:
        ending.discard(task)
        if not task.cancelled():
            task.exception()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("fiona_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
