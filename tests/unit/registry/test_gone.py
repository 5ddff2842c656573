"""Nothing of a project is forgotten when it is deleted."""

from datetime import timedelta

from sqlalchemy import select

from services.api.actor import ProjectRole, SystemRole
from services.registry.gone import KEPT, forget_project, hanging_on, naming
from shared.database import Database
from shared.tables import ApiToken, Base, Membership, Project, WebSession
from shared.tables.base import now
from tests.people import person

OF_TRANSFERS = {"transfer_parts", "sent_instances", "deliveries", "counted_parts", "quarantine", "reviewed_instances"}
OF_PROJECTS = {
    "assignments", "transfers", "participants", "auto_ids", "coupling_entries", "routing_rules", "kept_attributes",
    "attribute_marks", "quarantine_reviews", "project_profiles", "access_requests",
}  # fmt: skip


def test_rows_go_from_every_table_that_leads_to_a_participant_or_a_source() -> None:
    assert {table.name for table in naming("transfer")} >= OF_TRANSFERS
    assert {table.name for table in naming("project")} >= OF_PROJECTS


def test_what_is_kept_exists_and_names_no_participant() -> None:
    tables = {table.name: table for table in Base.metadata.tables.values()}
    assert set(KEPT) <= set(tables)
    for name in set(KEPT) - {"audit_entries"}:
        assert not {"participant", "name_hash", "accession_hash"} & set(tables[name].columns.keys())
    assert "project_leftovers" in KEPT, "the one that names studies, as their destinations know them"


def test_rows_that_refer_to_others_go_first() -> None:
    order = [table.name for table in naming("project")]
    assert order.index("transfers") < order.index("assignments")


def test_nothing_hangs_on_a_row_that_goes() -> None:
    gone = {*naming("project"), *naming("transfer")}
    hanging = {key.table for table in naming("project") for key in hanging_on(table)}
    assert {table.name for table in hanging} == {"removals"}
    for table in Base.metadata.sorted_tables:
        referred = {key.referred_table for key in table.foreign_key_constraints}
        assert table in gone | hanging or not referred & (gone | hanging), table.name


async def test_whoever_was_only_in_it_is_signed_out_for_good(database: Database) -> None:
    """As when somebody takes the last role away: a token must not come back to life with the next one."""
    owner = {"ABCD-study": (ProjectRole.OWNER,)}
    people = [
        *person("kari", memberships=owner),
        *person("ola", memberships=owner | {"OTHER-study": (ProjectRole.CONTROLLER,)}),
        *person("pernille", SystemRole.AUDITOR, memberships=owner),
        *person("lars", memberships={"OTHER-study": (ProjectRole.OWNER,)}),
        *person("nobody"),
    ]
    async with database.session() as session:
        for row in [*people, project := Project(name="ABCD-study", encrypted_key=b"")]:
            session.add(row)
            await session.flush()
        for login in ("kari", "ola", "pernille", "lars", "nobody"):
            session.add(WebSession(digest=login, account=login, expires_at=now() + timedelta(hours=1)))
        await session.flush()
        await forget_project(session, project)
    async with database.reading() as session:
        tokens = set(await session.scalars(select(ApiToken.account).where(ApiToken.revoked_at.is_(None))))
        sessions = set(await session.scalars(select(WebSession.account)))
        assert tokens == sessions == {"ola", "pernille", "lars", "nobody"}
        assert set(await session.scalars(select(Membership.project))) == {"OTHER-study"}
