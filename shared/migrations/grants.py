"""A role of PostgreSQL that works on everything but identities.

Whoever runs the database makes the group `fiona_without_identities` and puts the users of those services into it that
need none. Each process that may see identities (the owner of the tables) then gives the group what it needs, whenever
it starts and the schema is of its version, whoever has brought it there.
"""

from typing import Final

from sqlalchemy import Connection, text

GROUP: Final = "fiona_without_identities"

GRANTS: Final = (
    "GRANT USAGE ON SCHEMA public TO {group}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {group}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {group}",
    "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM {group}",
    "REVOKE UPDATE, DELETE ON audit_entries FROM {group}",
    "REVOKE ALL ON ALL TABLES IN SCHEMA identity FROM {group}",
    "REVOKE ALL ON SCHEMA identity FROM {group}",
)

MAY_MIGRATE: Final = """
SELECT CASE WHEN to_regnamespace('identity') IS NULL
       THEN has_database_privilege(current_database(), 'CREATE')
       ELSE has_schema_privilege('identity', 'CREATE') END
"""


def may_migrate(connection: Connection) -> bool:
    """Whether this connection's role may change the schema, that of identities included."""
    return bool(connection.scalar(text(MAY_MIGRATE)))


def grant(connection: Connection) -> None:
    """Give the group what it may have, and nothing else; nothing happens where there is no such group."""
    there = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :group"), {"group": GROUP})
    if there is None:
        return
    for statement in GRANTS:
        connection.execute(text(statement.format(group=GROUP)))
