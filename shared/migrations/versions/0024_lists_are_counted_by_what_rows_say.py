"""Lists are counted by what their rows say: a coupling entry that it has matched, a transfer the sums of its parts"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ENTRIES = "coupling_entries"
COUNTED = "ix_coupling_entries_counted"
LISTED = {
    "ix_coupling_entries_listed": ["project", "created_at", "id", "expires_at"],
    "ix_coupling_entries_event": ["project", "event", "created_at", "id", "expires_at"],
    "ix_coupling_entries_participant": ["project", "participant", "created_at", "id", "expires_at"],
    "ix_coupling_entries_upload": ["upload", "id", "project", "expires_at"],
}
SUMS = ("anonymized", "quarantined", "delivered", "refused")

MATCHED = """
UPDATE {entries} SET matched = {true}
WHERE id IN (SELECT substr(reason, 10) FROM assignments WHERE reason LIKE 'coupling %')
"""

SUMMED = """
UPDATE transfers SET anonymized = nearest.anonymized, quarantined = nearest.quarantined,
    delivered = nearest.delivered, refused = nearest.refused
FROM (
    SELECT *, row_number() OVER (PARTITION BY transfer ORDER BY delivered, refused DESC) AS place
    FROM (
        SELECT transfer, sum(coalesce(anonymized, 0)) AS anonymized, sum(quarantined) AS quarantined,
            sum(coalesce(delivered, 0)) AS delivered, sum(refused) AS refused
        FROM transfer_parts GROUP BY transfer, destination
    ) AS there
) AS nearest
WHERE nearest.transfer = transfers.id AND nearest.place = 1
"""
"""At the destination that is least far, as the router sums up."""


def _postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _schema() -> str | None:
    """SQLite has no schemas, and DDL is not translated for it."""
    return "identity" if _postgresql() else None


def upgrade() -> None:
    schema = _schema()
    for name in (COUNTED, *LISTED):
        op.drop_index(name, table_name=ENTRIES, schema=schema)
    op.add_column(ENTRIES, sa.Column("matched", sa.Boolean(), server_default=sa.false(), nullable=False), schema=schema)
    values = {"entries": f"{schema}.{ENTRIES}" if schema else ENTRIES, "true": "true" if schema else "1"}
    op.execute(MATCHED.format(**values))
    op.create_index(COUNTED, ENTRIES, ["project", "matched", "expires_at"], schema=schema)
    for name, columns in LISTED.items():
        op.create_index(name, ENTRIES, [*columns, "matched"], schema=schema)

    op.drop_index("ix_transfers_state", table_name="transfers")
    for name in SUMS:
        op.add_column("transfers", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.execute(SUMMED)
    op.create_index("ix_transfers_counted", "transfers", ["state", "delivered"])


def downgrade() -> None:
    op.drop_index("ix_transfers_counted", table_name="transfers")
    for name in SUMS:
        op.drop_column("transfers", name)
    op.create_index("ix_transfers_state", "transfers", ["state"])

    schema = _schema()
    for name in (COUNTED, *LISTED):
        op.drop_index(name, table_name=ENTRIES, schema=schema)
    op.drop_column(ENTRIES, "matched", schema=schema)
    op.create_index(COUNTED, ENTRIES, ["project", "id", "expires_at"], schema=schema)
    for name, columns in LISTED.items():
        op.create_index(name, ENTRIES, columns, schema=schema)
