"""The history of the schema, and how a connection is brought to its end."""

from functools import cache
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
    if is_newer(connection):
        return False
    if connection.dialect.name != "postgresql" or may_migrate(connection):
        upgrade(connection)
        return True
    return is_up_to_date(connection)


def look(connection: Connection) -> bool:
    """Whether the schema is of this version. Who may change it changes nothing, but gives the group its rights.

    The group may be younger than the schema: made later, or there before a dump without its rights was put back.
    """
    if not is_up_to_date(connection):
        return False
    if connection.dialect.name == "postgresql" and may_migrate(connection):
        grant(connection)
    return True


def is_up_to_date(connection: Connection) -> bool:
    """Whether the schema is of this version."""
    return version(connection) == head()


def is_newer(connection: Connection) -> bool:
    """Whether the schema is of a version that this code does not know: a later one, for there is no way back."""
    found = version(connection)
    return found is not None and found not in _known()


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(config()).walk_revisions())


@cache
def head() -> str:
    """The revision that this code is made for."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def version(connection: Connection) -> str | None:
    """The revision that the schema is at."""
    return MigrationContext.configure(connection).get_current_revision()
