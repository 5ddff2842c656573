"""Under which UID a study was sent"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

INDEX = "ix_transfers_target_study_instance_uid"
TRANSFERS = sa.table("transfers", sa.column("id"), sa.column("target_study_instance_uid"))
SAID = {
    name: sa.table(name, sa.column("transfer"), sa.column("target_study_instance_uid"), sa.column(counted))
    for name, counted in (("deliveries", "delivered"), ("withdrawal_parts", "instances"))
}


def upgrade() -> None:
    op.add_column("transfers", sa.Column("target_study_instance_uid", sa.String(length=64), nullable=True))
    op.create_index(INDEX, "transfers", ["target_study_instance_uid"], unique=False)
    for counted, said in (("delivered", SAID["deliveries"]), ("instances", SAID["withdrawal_parts"])):
        uid = (
            sa.select(sa.func.max(said.c.target_study_instance_uid))
            .where(said.c.transfer == TRANSFERS.c.id, said.c[counted] > 0)
            .scalar_subquery()
        )
        unsaid = TRANSFERS.c.target_study_instance_uid.is_(None)
        op.execute(sa.update(TRANSFERS).where(unsaid).values(target_study_instance_uid=uid))


def downgrade() -> None:
    op.drop_index(INDEX, table_name="transfers")
    op.drop_column("transfers", "target_study_instance_uid")
