"""The schema is what the code says, absence has one name, and a lock holds."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from shared.database import GONE, Database, DatabaseUnavailable, insert_new, lock, try_lock
from shared.tables import Base, Participant, Series
from tests.components.postgres import PostgreSQL


async def test_the_migrations_lead_to_the_tables_of_the_code(postgres_database: str) -> None:
    database = Database(postgres_database)
    await database.migrate()

    def differences(connection: Connection) -> list[object]:
        options = {"include_schemas": True, "include_name": lambda n, k, _: k != "schema" or n in (None, "identity")}
        context = MigrationContext.configure(connection, opts=options)
        found: list[object] = compare_metadata(context, Base.metadata)
        return found

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_sqlite_has_the_same_tables_in_one_file(sqlite: Database) -> None:
    def columns(connection: Connection) -> dict[str, set[str]]:
        inspector = inspect(connection)
        return {
            table: {column["name"] for column in inspector.get_columns(table)} for table in inspector.get_table_names()
        }

    async with sqlite.engine.connect() as connection:
        found = await connection.run_sync(columns)
    wanted = {table.name: {column.name for column in table.columns} for table in Base.metadata.tables.values()}
    assert {name: found.get(name) for name in wanted} == wanted


async def test_migrating_at_once_and_again_is_harmless(postgres_database: str) -> None:
    databases = [Database(postgres_database) for _ in range(3)]
    await asyncio.gather(*(database.migrate() for database in databases))
    for database in databases:
        await database.ping()
        await database.close()


async def test_what_was_raised_inside_is_rolled_back(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.session() as session:
            await insert_new(session, Participant, [{"project": "PROJECT", "name": "P1"}])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()
    async with database.reading() as session:
        assert list(await session.scalars(select(Participant))) == []


async def test_new_rows_are_counted_and_old_ones_left(database: Database) -> None:
    for expected in (2, 0):
        async with database.session() as session:
            rows = [{"project": "PROJECT", "name": name} for name in ("P1", "P2")]
            assert await insert_new(session, Participant, rows) == expected


async def test_more_rows_than_a_statement_has_room_for(database: Database) -> None:
    rows = [{"project": "PROJECT", "name": f"P{n}"} for n in range(12_000)]
    async with database.session() as session:
        assert await insert_new(session, Participant, rows[:100]) == 100
        assert await insert_new(session, Participant, rows) == 11_900


async def test_a_value_that_does_not_fit_is_not_an_absent_database(postgres_database: str) -> None:
    database = Database(postgres_database)
    await database.migrate()
    with pytest.raises(DBAPIError):
        async with database.reading() as session:
            await session.execute(select(Series).where(Series.expected == 2**40))
    await database.close()


@pytest.mark.parametrize("state", ["53100", "53200", "25006", "58030", "57P05", "08001"])
async def test_a_full_or_failing_server_is_an_absent_database(postgres_database: str, state: str) -> None:
    database = Database(postgres_database)
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{state}'; END $$"
    with pytest.raises(DatabaseUnavailable):
        async with database.session() as session:
            await session.execute(text(raising))
    await database.close()


async def test_a_wrong_statement_is_not_an_absent_database(database: Database) -> None:
    with pytest.raises(Exception, match="nowhere") as caught:
        async with database.reading() as session:
            await session.execute(text("SELECT * FROM nowhere"))
    assert not isinstance(caught.value, DatabaseUnavailable)
    assert isinstance(caught.value, ProgrammingError) or database.sqlite


async def test_a_database_that_is_away_is_unavailable_and_comes_back(
    postgres_database: str, postgres: PostgreSQL
) -> None:
    database = Database(postgres_database)
    await database.ping()
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    with pytest.raises(DatabaseUnavailable):
        await database.migrate()
    postgres.start()
    await database.ping()
    await database.close()


async def test_a_lock_is_held_until_the_transaction_ends(postgres_database: str) -> None:
    database = Database(postgres_database)
    order: list[str] = []

    async def hold() -> None:
        async with database.session() as session:
            await lock(session, "router", "1.2.3")
            order.append("held")
            await asyncio.sleep(0.3)
            order.append("let go")

    async def want() -> None:
        await asyncio.sleep(0.1)
        async with database.session() as session:
            assert not await try_lock(session, "router", "1.2.3")
            assert await try_lock(session, "router", "another")
            await lock(session, "router", "1.2.3")
            order.append("got it")

    await asyncio.gather(hold(), want())
    assert order == ["held", "let go", "got it"]
    await database.close()


async def test_the_server_gives_up_a_client_that_is_gone(postgres_database: str) -> None:
    """A machine that loses its power says no goodbye: its transaction must not hold its locks for hours."""
    database = Database(postgres_database)
    async with database.reading() as session:
        for name, value in GONE.items():
            query = text("SELECT setting FROM pg_settings WHERE name = :name")
            assert await session.scalar(query, {"name": name}) == value
    await database.close()
