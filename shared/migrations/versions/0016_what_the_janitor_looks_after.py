"""What the janitor looks after"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "janitor_findings",
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("sort", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=250), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("meaning", sa.String(length=300), nullable=False),
        sa.Column("healing", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("run", "sort", "subject", name=op.f("pk_janitor_findings")),
    )
    op.create_index("ix_janitor_findings_sort", "janitor_findings", ["run", "sort"], unique=False)
    op.create_table(
        "janitor_lines",
        sa.Column("run", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.JSON(), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run", "kind", "subject", name=op.f("pk_janitor_lines")),
    )
    op.create_index(op.f("ix_janitor_lines_at"), "janitor_lines", ["at"], unique=False)
    op.create_index("ix_janitor_lines_state", "janitor_lines", ["run", "state"], unique=False)
    op.create_table(
        "janitor_orders",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_janitor_orders")),
    )
    op.create_index("ix_janitor_orders_kind", "janitor_orders", ["kind", "created_at"], unique=False)
    op.create_table(
        "janitor_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("order", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.JSON(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_janitor_runs")),
    )
    op.create_index(op.f("ix_janitor_runs_order"), "janitor_runs", ["order"], unique=False)
    op.create_index(op.f("ix_janitor_runs_started_at"), "janitor_runs", ["started_at"], unique=False)
    op.create_index(op.f("ix_janitor_runs_state"), "janitor_runs", ["state"], unique=False)
    op.create_table(
        "janitor_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("disks", sa.JSON(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_janitor_state")),
    )
    op.add_column("instances", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("instances", sa.Column("removed_by", sa.String(length=16), nullable=True))
    op.add_column("studies", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(op.f("ix_studies_removed_at"), "studies", ["removed_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_studies_removed_at"), table_name="studies")
    op.drop_column("studies", "removed_at")
    op.drop_column("instances", "removed_by")
    op.drop_column("instances", "removed_at")
    op.drop_table("janitor_state")
    op.drop_index(op.f("ix_janitor_runs_state"), table_name="janitor_runs")
    op.drop_index(op.f("ix_janitor_runs_started_at"), table_name="janitor_runs")
    op.drop_index(op.f("ix_janitor_runs_order"), table_name="janitor_runs")
    op.drop_table("janitor_runs")
    op.drop_index("ix_janitor_orders_kind", table_name="janitor_orders")
    op.drop_table("janitor_orders")
    op.drop_index("ix_janitor_lines_state", table_name="janitor_lines")
    op.drop_index(op.f("ix_janitor_lines_at"), table_name="janitor_lines")
    op.drop_table("janitor_lines")
    op.drop_index("ix_janitor_findings_sort", table_name="janitor_findings")
    op.drop_table("janitor_findings")
