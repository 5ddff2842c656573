"""Traces of images"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "traces",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("traceparent", sa.String(length=55), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_traces")),
    )
    op.create_index(op.f("ix_traces_at"), "traces", ["at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_traces_at"), table_name="traces")
    op.drop_table("traces")
