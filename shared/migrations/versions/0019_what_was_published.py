"""What was published"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "published",
        sa.Column("message", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("message", name=op.f("pk_published")),
    )
    op.create_index("ix_published_named", "published", ["name", "published_at"], unique=False)
    op.create_index(op.f("ix_published_published_at"), "published", ["published_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_published_published_at"), table_name="published")
    op.drop_index("ix_published_named", table_name="published")
    op.drop_table("published")
