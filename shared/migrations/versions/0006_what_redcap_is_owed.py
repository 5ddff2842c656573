"""What REDCap is owed"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "redcap_differences",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("what", sa.String(length=300), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redcap_differences")),
    )
    op.create_index(op.f("ix_redcap_differences_project"), "redcap_differences", ["project"], unique=False)
    op.create_table(
        "redcap_instances",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("record", sa.String(length=64), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("instrument", sa.String(length=100), nullable=False),
        sa.Column("instance", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint(
            "project", "record", "event", "instrument", "instance", name=op.f("pk_redcap_instances")
        ),
        sa.UniqueConstraint(
            "project", "record", "event", "instrument", "subject", name=op.f("uq_redcap_instances_project")
        ),
    )
    op.create_table(
        "redcap_owed",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("owed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "kind", "subject", name=op.f("pk_redcap_owed")),
    )
    op.create_index("ix_redcap_owed_due", "redcap_owed", ["project", "due_at"], unique=False)
    op.create_table(
        "redcap_results",
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_date", sa.String(length=8), nullable=False),
        sa.Column("study_description", sa.String(length=64), nullable=False),
        sa.Column("accession_number", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("transfer", name=op.f("pk_redcap_results")),
    )
    op.create_table(
        "redcap_targets",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("configured", sa.Boolean(), nullable=False),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("comparison", sa.String(length=36), nullable=True),
        sa.Column("repair", sa.Boolean(), nullable=False),
        sa.Column("compared", sa.String(length=36), nullable=True),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_redcap_targets")),
    )


def downgrade() -> None:
    op.drop_table("redcap_targets")
    op.drop_table("redcap_results")
    op.drop_index("ix_redcap_owed_due", table_name="redcap_owed")
    op.drop_table("redcap_owed")
    op.drop_table("redcap_instances")
    op.drop_index(op.f("ix_redcap_differences_project"), table_name="redcap_differences")
    op.drop_table("redcap_differences")
