"""The history of the schema, and how a connection is brought to its end."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from shared.migrations.grants import grant, may_migrate


def config() -> Config:
    """Alembic's configuration: the scripts live in this folder."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent))
    return configuration


def upgrade(connection: Connection) -> None:
    """Apply what is missing, within the connection's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS identity"))
    configuration = config()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
    if connection.dialect.name == "postgresql":
        grant(connection)


def bring_up_to_date(connection: Connection) -> bool:
    """Upgrade, where this connection's role may; whether the schema is of this version."""
    if connection.dialect.name != "postgresql" or may_migrate(connection):
        upgrade(connection)
        return True
    return is_up_to_date(connection)


def is_up_to_date(connection: Connection) -> bool:
    """Whether the schema is of this version."""
    return version(connection) == head()


def head() -> str:
    """The revision that this code is made for."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def version(connection: Connection) -> str | None:
    """The revision that the schema is at."""
    return MigrationContext.configure(connection).get_current_revision()
