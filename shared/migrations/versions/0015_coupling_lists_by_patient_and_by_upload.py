"""Coupling lists by patient and by upload"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

TABLE = "coupling_entries"
OLD = ("accession_hash", "project", "study_instance_uid")
"""Columns with an index of their own, which `key` and the listing take the place of."""
INDEXES = {
    "uq_coupling_entries_key": ["key", "project"],
    "ix_coupling_entries_listed": ["project", "created_at", "id", "expires_at"],
    "ix_coupling_entries_event": ["project", "event", "created_at", "id", "expires_at"],
    "ix_coupling_entries_participant": ["project", "participant", "created_at", "id", "expires_at"],
    "ix_coupling_entries_upload": ["upload", "id", "project", "expires_at"],
    "ix_identity_coupling_entries_expires_at": ["expires_at"],
}
IN_FORCE = {
    "ix_assignments_participant": ["project", "participant", "study_instance_uid"],
}
TRANSFERS = {
    "ix_transfers_listed": ["requested_at", "id"],
    "ix_transfers_of_project": ["project", "requested_at", "id"],
    "ix_transfers_in_state": ["state", "requested_at", "id"],
}


def _schema() -> str | None:
    """SQLite has no schemas, and ALTER TABLE is not translated for it."""
    return "identity" if op.get_bind().dialect.name == "postgresql" else None


def _entries() -> sa.TableClause:
    texts = (sa.column(name, sa.String) for name in ("id", "project", "key", "accession_hash", "study_instance_uid"))
    return sa.table(TABLE, *texts, sa.column("created_at", sa.DateTime(timezone=True)), schema=_schema())


def upgrade() -> None:
    schema = _schema()
    op.create_table(
        "coupling_uploads",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("prolonged", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupling_uploads")),
    )
    op.create_index("ix_coupling_uploads_project", "coupling_uploads", ["project", "created_at"])
    op.create_index(op.f("ix_assignments_reason"), "assignments", ["reason"])
    for name, columns in IN_FORCE.items():
        where = sa.text("refused IS NULL AND ended_at IS NULL")
        op.create_index(name, "assignments", columns, postgresql_where=where, sqlite_where=where)
    for name, columns in TRANSFERS.items():
        op.create_index(name, "transfers", columns)
    op.create_index("ix_studies_listed", "studies", ["first_seen_at", "study_instance_uid"])
    op.drop_index(op.f("ix_transfers_requested_at"), table_name="transfers")
    op.drop_index(op.f("ix_studies_first_seen_at"), table_name="studies")
    for name in OLD:
        op.drop_index(op.f(f"ix_identity_{TABLE}_{name}"), table_name=TABLE, schema=schema)
    for column in (
        sa.Column("key", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("patient_hash", sa.String(length=64), nullable=True),
        sa.Column("patient_id", sa.LargeBinary(), nullable=True),
        sa.Column("issuer", sa.String(length=64), nullable=True),
        sa.Column("upload", sa.String(length=36), nullable=False, server_default=""),
    ):
        op.add_column(TABLE, column, schema=schema)
    _find_by_key()
    for name, columns in INDEXES.items():
        op.create_index(op.f(name), TABLE, columns, unique=name.startswith("uq"), schema=schema)
    op.add_column(
        "patient_identities", sa.Column("patient_id_hash", sa.String(length=64), nullable=True), schema=schema
    )
    op.create_index(
        op.f("ix_identity_patient_identities_patient_id_hash"),
        "patient_identities",
        ["patient_id_hash"],
        schema=schema,
    )


def _find_by_key() -> None:
    """Of entries for the same study only the latest can be in force."""
    entries = _entries()
    op.execute(entries.update().values(key=sa.func.coalesce(entries.c.study_instance_uid, entries.c.accession_hash)))
    later = entries.alias("later")
    same = later.c.project == entries.c.project, later.c.key == entries.c.key
    newer = sa.or_(
        later.c.created_at > entries.c.created_at,
        sa.and_(later.c.created_at == entries.c.created_at, later.c.id > entries.c.id),
    )
    op.execute(entries.delete().where(sa.exists().where(*same, newer)))


def downgrade() -> None:
    schema = _schema()
    entries = _entries()
    nameless = sa.and_(entries.c.study_instance_uid.is_(None), entries.c.accession_hash.is_(None))
    op.execute(entries.delete().where(nameless))
    op.drop_index(
        op.f("ix_identity_patient_identities_patient_id_hash"), table_name="patient_identities", schema=schema
    )
    op.drop_column("patient_identities", "patient_id_hash", schema=schema)
    for name in INDEXES:
        op.drop_index(op.f(name), table_name=TABLE, schema=schema)
    for name in ("upload", "issuer", "patient_id", "patient_hash", "key"):
        op.drop_column(TABLE, name, schema=schema)
    for name in OLD:
        op.create_index(op.f(f"ix_identity_{TABLE}_{name}"), TABLE, [name], schema=schema)
    op.drop_index(op.f("ix_assignments_reason"), table_name="assignments")
    for name in IN_FORCE:
        op.drop_index(name, table_name="assignments")
    for name in TRANSFERS:
        op.drop_index(name, table_name="transfers")
    op.drop_index("ix_studies_listed", table_name="studies")
    op.create_index(op.f("ix_transfers_requested_at"), "transfers", ["requested_at"])
    op.create_index(op.f("ix_studies_first_seen_at"), "studies", ["first_seen_at"])
    op.drop_table("coupling_uploads")
