"""The schema is what the code says, absence has one name, and a lock holds."""

import asyncio
from contextlib import suppress

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import GONE, IN_MEMORY, Database, DatabaseUnavailable, insert_new, lock, plan_anew, try_lock
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


async def test_who_is_cancelled_in_the_middle_of_a_statement_can_write_a_last_word(sqlite: Database) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
    written = asyncio.Event()

    async def work() -> None:
        try:
            async with sqlite.session() as session:
                await session.execute(text("CREATE TABLE numbers (i INTEGER)"))
                await session.execute(text(f"{many} INSERT INTO numbers SELECT i FROM n RETURNING i"))
        finally:
            async with sqlite.session() as session:
                await session.execute(text("CREATE TABLE words (word TEXT)"))
            written.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written.is_set()
    async with sqlite.reading() as session:
        tables = set(await session.scalars(text("SELECT name FROM sqlite_master")))
    assert "words" in tables
    assert "numbers" not in tables


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


async def test_a_password_that_was_changed_is_an_absent_database_and_says_so(
    postgres_database: str, postgres: PostgreSQL
) -> None:
    name = postgres_database.rpartition("/")[2]
    rules = postgres.data / "pg_hba.conf"
    kept = rules.read_text()
    postgres.sql("CREATE ROLE rotated LOGIN PASSWORD 'new'")
    rules.write_text(f"host {name} rotated 127.0.0.1/32 scram-sha-256\n{kept}")
    postgres.reload()
    before, after = (Database(postgres_database.replace("postgres@", f"rotated:{word}@")) for word in ("old", "new"))
    try:
        for attempt in (before.ping, before.migrate):
            with pytest.raises(DatabaseUnavailable, match="refuses our user or password") as caught:
                await attempt()
            assert "rotated" not in str(caught.value)
        await after.ping()
    finally:
        rules.write_text(kept)
        postgres.reload()
        for database in (before, after):
            await database.close()
        postgres.sql("DROP ROLE rotated")


async def test_a_database_that_is_not_restored_yet_is_waited_for(postgres: PostgreSQL) -> None:
    database = Database(postgres.url_of("not_restored_yet"))
    with pytest.raises(DatabaseUnavailable, match="no database of this name"):
        await database.migrate()
    postgres.create_database("not_restored_yet")
    await database.migrate()
    await database.close()
    postgres.drop_database(postgres.url_of("not_restored_yet"))


async def test_a_transaction_plans_anew_what_was_planned_for_an_empty_table(postgres_database: str) -> None:
    database = Database(postgres_database)
    often = text("SELECT oid FROM pg_class WHERE relname = :name")
    kept = text(
        "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE :these"
    ).bindparams(these="SELECT oid FROM pg_class WHERE relname = %")

    async def run(session: AsyncSession) -> None:
        for _ in range(8):
            await session.execute(often, {"name": "nobody"})

    async with database.session() as session:
        await run(session)
        generic, custom = (await session.execute(kept)).one()
    async with database.session() as session:
        await plan_anew(session)
        await run(session)
        then = (await session.execute(kept)).one()
    async with database.session() as session:
        await run(session)
        after = (await session.execute(kept)).one()
    await database.close()
    assert generic > 0
    assert then == (generic, custom + 8)
    assert after == (generic + 8, custom + 8)


async def test_a_lock_is_held_until_the_transaction_ends(postgres_database: str) -> None:
    database = Database(postgres_database)
    order: list[str] = []
    held, wanted = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.session() as session:
            await lock(session, "router", "1.2.3")
            order.append("held")
            held.set()
            await wanted.wait()
            await asyncio.sleep(0.2)
            order.append("let go")

    async def want() -> None:
        await held.wait()
        async with database.session() as session:
            assert not await try_lock(session, "router", "1.2.3")
            assert await try_lock(session, "router", "another")
            wanted.set()
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


async def test_the_planner_is_told_that_an_index_is_cheap(postgres_database: str) -> None:
    database = Database(postgres_database)
    async with database.reading() as session:
        for name, value in IN_MEMORY.items():
            assert await session.scalar(text(f"SHOW {name}")) == value
    await database.close()


async def test_who_reads_sees_one_moment_and_writes_nothing(database: Database) -> None:
    async def add(name: str) -> None:
        async with database.session() as session:
            await insert_new(session, Participant, [{"project": "PROJECT", "name": name}])

    names = select(Participant.name).order_by(Participant.name)
    await add("P1")
    async with database.reading() as session:
        assert (await session.scalars(names)).all() == ["P1"]
        await add("P2")
        assert (await session.scalars(names)).all() == ["P1"], "the moment of the first statement"
        async with database.reading() as later:
            assert (await later.scalars(names)).all() == ["P1", "P2"]
    async with database.session() as session:
        await session.execute(names)
        if not database.sqlite:
            assert await session.scalar(text("SHOW transaction_isolation")) == "read committed"
        await insert_new(session, Participant, [{"project": "PROJECT", "name": "P3"}])
    async with database.reading() as session:
        assert (await session.scalars(names)).all() == ["P1", "P2", "P3"], "who writes is not bound by it"


async def test_what_is_written_while_reading_is_not_kept(database: Database) -> None:
    with suppress(DatabaseUnavailable):
        async with database.reading() as session:
            await insert_new(session, Participant, [{"project": "PROJECT", "name": "P1"}])
    async with database.reading() as session:
        assert (await session.scalars(select(Participant.name))).all() == []
