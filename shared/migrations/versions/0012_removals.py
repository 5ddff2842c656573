"""What is removed after consent was withdrawn"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removals",
        sa.Column("withdrawal", sa.String(length=36), nullable=False),
        sa.Column("service", sa.String(length=20), nullable=False),
        sa.Column("removed", sa.JSON(), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["withdrawal"], ["withdrawals.id"], name=op.f("fk_removals_withdrawal_withdrawals")),
        sa.PrimaryKeyConstraint("withdrawal", "service", name=op.f("pk_removals")),
    )


def downgrade() -> None:
    op.drop_table("removals")
