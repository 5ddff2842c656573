"""What was assigned wrongly ends, what was sent is taken back"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "begun_deliveries",
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "transfer", "destination", "series_instance_uid", "revision", name=op.f("pk_begun_deliveries")
        ),
    )
    op.create_table(
        "withdrawal_notes",
        sa.Column("withdrawal", sa.String(length=36), nullable=False),
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("withdrawal", "transfer", "destination", name=op.f("pk_withdrawal_notes")),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("participant", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
    )
    op.create_index(op.f("ix_withdrawals_project"), "withdrawals", ["project"], unique=False)
    op.create_index(op.f("ix_withdrawals_requested_at"), "withdrawals", ["requested_at"], unique=False)
    op.create_index(op.f("ix_withdrawals_state"), "withdrawals", ["state"], unique=False)
    op.create_index(op.f("ix_withdrawals_study_instance_uid"), "withdrawals", ["study_instance_uid"], unique=False)
    op.create_table(
        "withdrawal_parts",
        sa.Column("withdrawal", sa.String(length=36), nullable=False),
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("target_study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["transfer"], ["transfers.id"], name=op.f("fk_withdrawal_parts_transfer_transfers")),
        sa.ForeignKeyConstraint(
            ["withdrawal"], ["withdrawals.id"], name=op.f("fk_withdrawal_parts_withdrawal_withdrawals")
        ),
        sa.PrimaryKeyConstraint("withdrawal", "transfer", "destination", name=op.f("pk_withdrawal_parts")),
    )
    op.create_index(
        op.f("ix_withdrawal_parts_study_instance_uid"), "withdrawal_parts", ["study_instance_uid"], unique=False
    )
    op.add_column("assignments", sa.Column("waits_for", sa.String(length=36), nullable=True))
    op.add_column("assignments", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("assignments", sa.Column("ended_by", sa.String(length=36), nullable=True))
    op.create_index(
        "ix_assignments_in_force",
        "assignments",
        ["study_instance_uid", "project"],
        unique=True,
        sqlite_where=sa.text("refused IS NULL AND ended_at IS NULL"),
        postgresql_where=sa.text("refused IS NULL AND ended_at IS NULL"),
    )
    op.create_index(op.f("ix_assignments_waits_for"), "assignments", ["waits_for"], unique=False)
    op.add_column("corrections", sa.Column("assignment", sa.String(length=36), nullable=True))
    op.add_column("corrections", sa.Column("participant", sa.String(length=64), nullable=True))
    op.add_column("corrections", sa.Column("becomes", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_corrections_assignment"), "corrections", ["assignment"], unique=False)


def downgrade() -> None:
    op.execute("UPDATE assignments SET refused = 'it was ended', participant = '' WHERE ended_at IS NOT NULL")
    op.drop_index(op.f("ix_corrections_assignment"), table_name="corrections")
    op.drop_column("corrections", "participant")
    op.drop_column("corrections", "becomes")
    op.drop_column("corrections", "assignment")
    op.drop_index(op.f("ix_assignments_waits_for"), table_name="assignments")
    op.drop_index(
        "ix_assignments_in_force",
        table_name="assignments",
        sqlite_where=sa.text("refused IS NULL AND ended_at IS NULL"),
        postgresql_where=sa.text("refused IS NULL AND ended_at IS NULL"),
    )
    op.drop_column("assignments", "ended_by")
    op.drop_column("assignments", "ended_at")
    op.drop_column("assignments", "waits_for")
    op.drop_index(op.f("ix_withdrawal_parts_study_instance_uid"), table_name="withdrawal_parts")
    op.drop_table("withdrawal_parts")
    op.drop_index(op.f("ix_withdrawals_study_instance_uid"), table_name="withdrawals")
    op.drop_index(op.f("ix_withdrawals_state"), table_name="withdrawals")
    op.drop_index(op.f("ix_withdrawals_requested_at"), table_name="withdrawals")
    op.drop_index(op.f("ix_withdrawals_project"), table_name="withdrawals")
    op.drop_table("withdrawals")
    op.drop_table("withdrawal_notes")
    op.drop_table("begun_deliveries")
