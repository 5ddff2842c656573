"""Coupling entries are counted by an index"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

INDEX = "ix_coupling_entries_counted"
TABLE = "coupling_entries"


def _schema() -> str | None:
    """SQLite has no schemas, and DDL is not translated for it."""
    return "identity" if op.get_bind().dialect.name == "postgresql" else None


def upgrade() -> None:
    op.create_index(INDEX, TABLE, ["project", "id", "expires_at"], unique=False, schema=_schema())


def downgrade() -> None:
    op.drop_index(INDEX, table_name=TABLE, schema=_schema())
