"""The life of projects, and mails; projects that are there are in production"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_requests",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("person", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_requests")),
    )
    op.create_index(op.f("ix_access_requests_project"), "access_requests", ["project"], unique=False)
    op.create_table(
        "applications",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("applicant", sa.String(length=100), nullable=False),
        sa.Column("contract", sa.String(length=64), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(op.f("ix_applications_project"), "applications", ["project"], unique=False)
    op.create_index(op.f("ix_applications_state"), "applications", ["state"], unique=False)
    op.create_table(
        "contracts",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_contracts")),
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("recipient", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    op.create_index(op.f("ix_mails_state"), "mails", ["state"], unique=False)
    op.create_table(
        "project_exports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("instances", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("confirmed_by", sa.String(length=100), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_exports")),
    )
    op.create_index(op.f("ix_project_exports_project"), "project_exports", ["project"], unique=False)
    op.create_table(
        "project_steps",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.String(length=300), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("once", sa.String(length=100), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_steps")),
        sa.UniqueConstraint("project", "once", name=op.f("uq_project_steps_project")),
    )
    op.create_index(op.f("ix_project_steps_project"), "project_steps", ["project"], unique=False)
    op.create_table(
        "project_work",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("export", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=200), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_work")),
    )
    op.create_index(op.f("ix_project_work_project"), "project_work", ["project"], unique=False)
    op.create_index(op.f("ix_project_work_state"), "project_work", ["state"], unique=False)
    op.add_column("projects", sa.Column("state", sa.String(length=16), nullable=False, server_default="production"))
    op.add_column("projects", sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("projects", sa.Column("organisation", sa.String(length=100), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("pi_name", sa.String(length=100), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("pi_mail", sa.String(length=254), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("manager_name", sa.String(length=100), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("manager_mail", sa.String(length=254), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("approval", sa.String(length=40), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("starts_on", sa.Date(), nullable=True))
    op.add_column("projects", sa.Column("ends_on", sa.Date(), nullable=True))
    op.add_column("projects", sa.Column("end_provision", sa.String(length=10), nullable=False, server_default="delete"))
    op.add_column("projects", sa.Column("participant_example", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("events_without_images", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("projects", sa.Column("options", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("projects", sa.Column("pathology_folder", sa.String(length=200), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("tsd_group", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("tsd_id", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("tsd_user", sa.String(length=64), nullable=False, server_default=""))
    op.add_column("projects", sa.Column("tsd_folder", sa.String(length=200), nullable=False, server_default=""))
    op.create_index(op.f("ix_projects_state"), "projects", ["state"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_projects_state"), table_name="projects")
    op.drop_column("projects", "tsd_folder")
    op.drop_column("projects", "tsd_user")
    op.drop_column("projects", "tsd_id")
    op.drop_column("projects", "tsd_group")
    op.drop_column("projects", "pathology_folder")
    op.drop_column("projects", "options")
    op.drop_column("projects", "events_without_images")
    op.drop_column("projects", "participant_example")
    op.drop_column("projects", "end_provision")
    op.drop_column("projects", "ends_on")
    op.drop_column("projects", "starts_on")
    op.drop_column("projects", "approval")
    op.drop_column("projects", "manager_mail")
    op.drop_column("projects", "manager_name")
    op.drop_column("projects", "pi_mail")
    op.drop_column("projects", "pi_name")
    op.drop_column("projects", "organisation")
    op.drop_column("projects", "archived_at")
    op.drop_column("projects", "state")
    op.drop_index(op.f("ix_project_work_state"), table_name="project_work")
    op.drop_index(op.f("ix_project_work_project"), table_name="project_work")
    op.drop_table("project_work")
    op.drop_index(op.f("ix_project_steps_project"), table_name="project_steps")
    op.drop_table("project_steps")
    op.drop_index(op.f("ix_project_exports_project"), table_name="project_exports")
    op.drop_table("project_exports")
    op.drop_index(op.f("ix_mails_state"), table_name="mails")
    op.drop_table("mails")
    op.drop_table("contracts")
    op.drop_index(op.f("ix_applications_state"), table_name="applications")
    op.drop_index(op.f("ix_applications_project"), table_name="applications")
    op.drop_table("applications")
    op.drop_index(op.f("ix_access_requests_project"), table_name="access_requests")
    op.drop_table("access_requests")
