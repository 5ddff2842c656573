"""Wishes, resends"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignment_wishes",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("assignment", sa.String(length=36), nullable=False),
        sa.Column("participant", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "project", name=op.f("pk_assignment_wishes")),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("transfer", sa.String(length=36), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_created_at"), "corrections", ["created_at"], unique=False)
    op.create_index(op.f("ix_corrections_project"), "corrections", ["project"], unique=False)
    op.create_index(op.f("ix_corrections_study_instance_uid"), "corrections", ["study_instance_uid"], unique=False)
    op.create_index(op.f("ix_corrections_transfer"), "corrections", ["transfer"], unique=False)
    op.add_column("transfers", sa.Column("correction", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_transfers_correction"), "transfers", ["correction"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_transfers_correction"), table_name="transfers")
    op.drop_column("transfers", "correction")
    op.drop_index(op.f("ix_corrections_transfer"), table_name="corrections")
    op.drop_index(op.f("ix_corrections_study_instance_uid"), table_name="corrections")
    op.drop_index(op.f("ix_corrections_project"), table_name="corrections")
    op.drop_index(op.f("ix_corrections_created_at"), table_name="corrections")
    op.drop_table("corrections")
    op.drop_table("assignment_wishes")
