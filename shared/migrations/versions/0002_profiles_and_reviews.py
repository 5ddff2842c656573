"""Profiles, reviews, and what is left in what left"""

import re

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RULE = re.compile(r"\[([a-z-]{1,40})\]$")


def upgrade() -> None:
    op.create_table(
        "counted_parts",
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("transfer", "series_instance_uid", "revision", name=op.f("pk_counted_parts")),
    )
    op.create_table(
        "kept_attributes",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("path", sa.String(length=250), nullable=False),
        sa.Column("value_hash", sa.String(length=64), nullable=False),
        sa.Column("keyword", sa.String(length=64), nullable=False),
        sa.Column("vr", sa.String(length=2), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project", "path", "value_hash", name=op.f("pk_kept_attributes")),
    )
    op.create_table(
        "quarantine_reviews",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("reviewer", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine_reviews")),
    )
    op.create_index(op.f("ix_quarantine_reviews_project"), "quarantine_reviews", ["project"], unique=False)
    op.create_index(op.f("ix_quarantine_reviews_transfer"), "quarantine_reviews", ["transfer"], unique=False)
    op.create_table(
        "reviewed_instances",
        sa.Column("transfer", sa.String(length=36), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("review", sa.String(length=36), nullable=False),
        sa.Column("series_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("transfer", "sop_instance_uid", name=op.f("pk_reviewed_instances")),
    )
    op.create_index(op.f("ix_reviewed_instances_review"), "reviewed_instances", ["review"], unique=False)
    op.create_table(
        "vault_keys",
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_vault_keys")),
    )
    op.create_table(
        "attribute_marks",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("path", sa.String(length=250), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("reviewer", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_attribute_marks_project_projects")),
        sa.PrimaryKeyConstraint("project", "path", name=op.f("pk_attribute_marks")),
    )
    op.create_table(
        "project_profiles",
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_project_profiles_project_projects")),
        sa.PrimaryKeyConstraint("project", "version", name=op.f("pk_project_profiles")),
    )
    op.add_column("deliveries", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("quarantine", sa.Column("rule", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("transfer_parts", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("transfers", sa.Column("review", sa.String(length=36), nullable=True))
    op.add_column("transfers", sa.Column("profile", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("transfers", sa.Column("profile_version", sa.String(length=16), nullable=False, server_default=""))
    op.add_column("transfers", sa.Column("profile_digest", sa.String(length=64), nullable=True))
    op.add_column("transfers", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_transfers_review"), "transfers", ["review"], unique=False)
    _name_the_rules()
    _name_the_profiles()


def _name_the_rules() -> None:
    """The reason of a quarantined instance ended in its rule: "… [burned-in]"."""
    quarantine = sa.table("quarantine", sa.column("reason", sa.String), sa.column("rule", sa.String))
    connection = op.get_bind()
    reasons = connection.scalars(sa.select(quarantine.c.reason).distinct()).all()
    for reason in reasons:
        if found := RULE.search(reason):
            same = quarantine.c.reason == reason
            connection.execute(sa.update(quarantine).where(same).values(rule=found[1]))


def _name_the_profiles() -> None:
    """Until now a project had one profile, a built-in one."""
    op.execute(
        "UPDATE transfers SET profile = COALESCE("
        "(SELECT substr(projects.profile, 1, 40) FROM projects WHERE projects.name = transfers.project), '')"
    )
