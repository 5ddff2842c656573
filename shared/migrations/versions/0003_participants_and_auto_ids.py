"""Participants have a site and an origin; projects make up names; rules look at attributes"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _columns() -> dict[str, list[sa.Column[object]]]:
    """Made anew each time: a column belongs to one table object."""
    return {
        "participants": [
            sa.Column("site", sa.String(length=64), nullable=False, server_default=""),
            sa.Column("origin", sa.String(length=10), nullable=False, server_default=""),
            sa.Column("created_by", sa.String(length=100), nullable=False, server_default=""),
            sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        ],
        "projects": [
            sa.Column("auto_id_pattern", sa.String(length=100), nullable=False, server_default=""),
            sa.Column("auto_id_aet", sa.String(length=16), nullable=True),
        ],
        "routing_rules": [
            sa.Column("attribute", sa.String(length=250), nullable=True),
            sa.Column("attribute_value", sa.String(length=200), nullable=True),
            sa.Column("auto_id", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("site", sa.String(length=64), nullable=False, server_default=""),
        ],
    }


def upgrade() -> None:
    op.create_table(
        "auto_id_counters",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_auto_id_counters")),
    )
    op.create_table(
        "auto_ids",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "identity", name=op.f("pk_auto_ids")),
    )
    for table, columns in _columns().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index(op.f("ix_participants_site"), "participants", ["site"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_participants_site"), table_name="participants")
    for table, columns in _columns().items():
        for column in reversed(columns):
            op.drop_column(table, column.name)
    op.drop_table("auto_ids")
    op.drop_table("auto_id_counters")
