"""Who has a REDCap project in hand"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("redcap_targets") as table:
        table.add_column(sa.Column("holder", sa.String(length=36), nullable=True))
        table.alter_column("leased_until", new_column_name="held_until")


def downgrade() -> None:
    with op.batch_alter_table("redcap_targets") as table:
        table.alter_column("held_until", new_column_name="leased_until")
        table.drop_column("holder")
