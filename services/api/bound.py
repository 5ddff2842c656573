"""What whoever is bound to sites of a project may: one row per operation that a project's role allows.

A test walks them: what is of participants is theirs only as far as it is of participants of their sites, what is of the
project as a whole is not theirs at all, and the rest is about no participant.
"""

from typing import Final

OF_PARTICIPANTS: Final = frozenset(
    {
        # lists and things, each of a participant: those of one's sites
        *("list_studies", "search_studies", "show_study", "list_series", "list_files", "show_series"),
        *("assign", "show_assignment", "correct", "cancel_assignment"),
        *("list_participants", "show_participant", "add_participant", "withdraw_consent"),
        *("list_coupling", "add_coupling", "remove_coupling", "upload_coupling", "count_coupling"),
        *("list_coupling_uploads", "remove_coupling_upload", "remove_all_coupling"),
        *("show_coupling_identities", "export_coupling"),
        *("list_transfers", "show_transfer", "cancel_transfer", "resend"),
        *("list_quarantine", "group_quarantine", "list_quarantine_of_transfer", "show_value"),
        *("decide", "list_reviews", "show_review"),
        *("list_findings", "show_finding", "show_after", "show_texts", "show_before"),
        *("list_corrections", "show_correction"),
        *("list_withdrawals", "show_withdrawal", "confirm_withdrawal", "retry_withdrawal"),
        *("show_project", "try_rules", "watch"),
    }
)

OF_THE_WHOLE: Final = frozenset(
    {
        # decides for every participant, or tells of all of them at once
        *("change_project", "archive", "export_key", "report_project"),
        *("set_member", "remove_member", "list_access_requests", "grant_access", "decline_access"),
        *("list_exports", "show_export", "ask_for_export", "download_export", "confirm_export", "list_leftovers"),
        *("make_rule", "change_rule", "remove_rule", "replace_rule_order"),
        *("replace_project_profile", "accept_proposal", "mark_attribute"),
        *("list_attributes", "search_attributes", "list_values"),
        *("list_redcap", "list_redcap_differences", "compare_redcap"),
    }
)

OF_NOBODY: Final = frozenset(
    {
        # what the project is, and what is no project's
        *("list_projects", "list_events", "list_steps", "list_members"),
        *("show_project_profile", "list_versions", "show_version", "show_proposal"),
        *("list_rules", "show_rule", "show_rule_order"),
        *("list_destinations", "show_destination", "echo_destination", "show_counts"),
        *("store_instances", "store_study_instances"),
    }
)
