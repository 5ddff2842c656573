"""Nothing of a project is forgotten when it is deleted."""

from services.registry.gone import KEPT, naming
from shared.tables import Base

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
