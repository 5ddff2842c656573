"""Write the next migration: what the tables in the code have that the last migration has not.

    python -m scripts.revise_schema "What changes"

Starts a PostgreSQL of its own, brings it to the last migration and lets Alembic compare.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.migrations import config, upgrade
from tests.components.postgres import PostgreSQL


def _revise(connection: Connection, message: str) -> None:
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS identity"))
    versions = Path(__file__).parent.parent / "shared/migrations/versions"
    if any(versions.glob("[0-9]*.py")):
        upgrade(connection)
    configuration = config()
    configuration.attributes["connection"] = connection
    number = len(list(versions.glob("[0-9]*.py"))) + 1
    command.revision(configuration, message=message, autogenerate=True, rev_id=f"{number:04}")


async def _compare(url: str, message: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(_revise, message)
    await engine.dispose()


def main(message: str) -> None:
    """Compare and write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with PostgreSQL(Path(folder) / "postgres", fsync=False) as server:
            asyncio.run(_compare(server.create_database("schema"), message))


if __name__ == "__main__":
    main(sys.argv[1])
