"""The audit"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQLITE = """
CREATE TRIGGER audit_entries_no_{action} BEFORE {action} ON audit_entries
BEGIN SELECT RAISE(ABORT, 'audit entries are neither changed nor removed'); END
"""
SQLITE_NEXT = """
CREATE TRIGGER audit_entries_next BEFORE INSERT ON audit_entries
WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM audit_entries)
BEGIN SELECT RAISE(ABORT, 'audit entries come one after the other'); END
"""
# INSERT OR REPLACE would not ask the trigger of DELETE.
POSTGRESQL = (
    """
    CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'audit entries are neither changed nor removed'; END $$
    """,
    """
    CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_stay()
    """,
)


def upgrade() -> None:
    op.create_table(
        "audit_collectors",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=36), nullable=True),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_audit_collectors")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=True),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=True),
        sa.Column("participant", sa.String(length=64), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("correlation", sa.String(length=36), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_entries")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_entries_id")),
    )
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor", "sequence"])
    op.create_index(op.f("ix_audit_entries_at"), "audit_entries", ["at"])
    op.create_index("ix_audit_entries_operation", "audit_entries", ["operation", "sequence"])
    op.create_index(op.f("ix_audit_entries_participant"), "audit_entries", ["participant"])
    op.create_index("ix_audit_entries_project", "audit_entries", ["project", "sequence"])
    op.create_index("ix_audit_entries_study_instance_uid", "audit_entries", ["study_instance_uid", "sequence"])
    if op.get_bind().dialect.name == "postgresql":
        for statement in POSTGRESQL:
            op.execute(statement)
    else:
        for action in ("UPDATE", "DELETE"):
            op.execute(SQLITE.format(action=action))
        op.execute(SQLITE_NEXT)


def downgrade() -> None:
    op.drop_table("audit_entries")
    op.drop_table("audit_collectors")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_entries_stay()")
