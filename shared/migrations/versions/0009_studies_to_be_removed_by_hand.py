"""Studies to be removed by hand"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project_leftovers",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("done_by", sa.String(length=100), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project", "destination", "study_instance_uid", name=op.f("pk_project_leftovers")),
    )


def downgrade() -> None:
    op.drop_table("project_leftovers")
