"""Who may do what: one row per operation. A test walks each with each role, and nothing may be unlisted.

A row says where the project of a request is found, which scope a token needs for it, and the roles that may: of the
whole gateway, or in that project. What somebody is told by it: `judging`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from services.api.actor import ProjectRole, Scope, SystemRole

ADMINISTRATOR, OPERATOR, AUDITOR = SystemRole.ADMINISTRATOR, SystemRole.OPERATOR, SystemRole.AUDITOR
OWNER, MANAGER, ENTRY, CONTROLLER = (
    ProjectRole.OWNER,
    ProjectRole.DATA_MANAGER,
    ProjectRole.DATA_ENTRY,
    ProjectRole.CONTROLLER,
)
READ, WRITE, REVIEW, OPERATE, ADMIN, AUDIT = (
    Scope.READ,
    Scope.WRITE,
    Scope.REVIEW,
    Scope.OPERATE,
    Scope.ADMIN,
    Scope.AUDIT,
)

MEMBERS = (OWNER, MANAGER, ENTRY, CONTROLLER)
ENTERING = (OWNER, MANAGER, ENTRY)
MANAGING = (OWNER, MANAGER)
LOOKING_AFTER = (OWNER, MANAGER, CONTROLLER)
REVIEWING = (OWNER, CONTROLLER)
RUNNING = (ADMINISTRATOR, OPERATOR)


class Where(StrEnum):
    """Where the project of a request is found."""

    PUBLIC = "nowhere, and nobody need be recognised"
    SELF = "nowhere: it is about whoever asks, or about nobody"
    GATEWAY = "nowhere: it is about the whole gateway"
    NETWORK = "nowhere, and whoever comes from a network that is let in need not be recognised"
    ANY = "in every row: a list shows those of the projects in which one has the role"
    PROJECT = "in the path, as `name`"
    BODY = "in the body, as `project`"
    TRANSFER = "the project of the transfer `identity`"
    REVIEW = "the project of the review `identity`"
    RULE = "the project of the routing rule `identity`"
    ASSIGNMENT = "the project of the assignment `identity`"
    CORRECTION = "the project of the correction `identity`"


OF_A_PROJECT = frozenset(
    (Where.PROJECT, Where.BODY, Where.TRANSFER, Where.REVIEW, Where.RULE, Where.ASSIGNMENT, Where.CORRECTION)
)


class Rule(NamedTuple):
    """One row."""

    where: Where
    scope: Scope | None
    roles: frozenset[SystemRole | ProjectRole]


def _may(where: Where, scope: Scope | None, *roles: SystemRole | ProjectRole) -> Rule:
    return Rule(where, scope, frozenset(roles))


PUBLIC = _may(Where.PUBLIC, None)

PERMISSIONS: Final[Mapping[str, Rule]] = {
    # oneself
    "sign_in": PUBLIC,
    "ask_for_reset": PUBLIC,
    "reset_password": PUBLIC,
    "list_providers": PUBLIC,
    "go_to_provider": PUBLIC,
    "come_from_provider": PUBLIC,
    "fetch_session": PUBLIC,
    "show_session": _may(Where.SELF, None),
    "sign_out": _may(Where.SELF, None),
    "change_password": _may(Where.SELF, ADMIN),
    "list_tokens": _may(Where.SELF, READ),
    "make_token": _may(Where.SELF, ADMIN),
    "revoke_token": _may(Where.SELF, ADMIN),
    # people
    "list_accounts": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "make_account": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "show_account": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "change_account": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "set_account_password": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "list_members_everywhere": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "set_member_everywhere": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "remove_member_everywhere": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "list_members": _may(Where.PROJECT, READ, *MANAGING, ADMINISTRATOR),
    "set_member": _may(Where.PROJECT, ADMIN, OWNER, ADMINISTRATOR),
    "remove_member": _may(Where.PROJECT, ADMIN, OWNER, ADMINISTRATOR),
    # studies
    "list_studies": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "search_studies": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "show_study": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "list_series": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "list_files": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "show_series": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "assign": _may(Where.BODY, WRITE, *ENTERING),
    "show_assignment": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    # projects
    "list_projects": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "make_project": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "show_project": _may(Where.PROJECT, READ, *MEMBERS, *RUNNING),
    "change_project": _may(Where.PROJECT, WRITE, *MANAGING, ADMINISTRATOR),
    "list_events": _may(Where.PROJECT, READ, *MEMBERS, *RUNNING),
    "show_contract": _may(Where.SELF, READ),
    "show_agreed_contract": _may(Where.SELF, READ),
    "apply": _may(Where.SELF, WRITE),
    "list_applications": _may(Where.SELF, READ),
    "show_application": _may(Where.SELF, READ),
    "approve": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "reject": _may(Where.GATEWAY, ADMIN, ADMINISTRATOR),
    "produce": _may(Where.PROJECT, ADMIN, ADMINISTRATOR),
    "archive": _may(Where.PROJECT, ADMIN, OWNER, ADMINISTRATOR),
    "extend": _may(Where.PROJECT, ADMIN, ADMINISTRATOR),
    "list_steps": _may(Where.PROJECT, READ, *MEMBERS, *RUNNING),
    "list_exports": _may(Where.PROJECT, READ, *MANAGING, *RUNNING),
    "show_export": _may(Where.PROJECT, READ, *MANAGING, *RUNNING),
    "ask_for_export": _may(Where.PROJECT, WRITE, *MANAGING, ADMINISTRATOR),
    "download_export": _may(Where.PROJECT, READ, *MANAGING),
    "confirm_export": _may(Where.PROJECT, ADMIN, OWNER),
    "list_leftovers": _may(Where.PROJECT, READ, *MANAGING, *RUNNING),
    "removed_by_hand": _may(Where.PROJECT, OPERATE, *RUNNING),
    "ask_for_access": _may(Where.SELF, WRITE),
    "list_access_requests": _may(Where.PROJECT, READ, OWNER, ADMINISTRATOR),
    "grant_access": _may(Where.PROJECT, ADMIN, OWNER, ADMINISTRATOR),
    "decline_access": _may(Where.PROJECT, ADMIN, OWNER, ADMINISTRATOR),
    "list_participants": _may(Where.PROJECT, READ, *MEMBERS, ADMINISTRATOR),
    "show_participant": _may(Where.PROJECT, READ, *MEMBERS, ADMINISTRATOR),
    "add_participant": _may(Where.PROJECT, WRITE, *ENTERING),
    "export_key": _may(Where.PROJECT, ADMIN, *MANAGING),
    "list_coupling": _may(Where.PROJECT, READ, *MANAGING),
    "add_coupling": _may(Where.PROJECT, WRITE, *MANAGING),
    "remove_coupling": _may(Where.PROJECT, WRITE, *MANAGING),
    "upload_coupling": _may(Where.PROJECT, WRITE, *MANAGING),
    "count_coupling": _may(Where.PROJECT, READ, *MANAGING),
    "list_coupling_uploads": _may(Where.PROJECT, READ, *MANAGING),
    "remove_coupling_upload": _may(Where.PROJECT, WRITE, *MANAGING),
    "remove_all_coupling": _may(Where.PROJECT, WRITE, *MANAGING),
    "show_coupling_identities": _may(Where.PROJECT, ADMIN, *MANAGING),
    "export_coupling": _may(Where.PROJECT, ADMIN, *MANAGING),
    "list_rules": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "make_rule": _may(Where.BODY, WRITE, *MANAGING, ADMINISTRATOR),
    "show_rule": _may(Where.RULE, READ, *MANAGING, *RUNNING),
    "change_rule": _may(Where.RULE, WRITE, *MANAGING, ADMINISTRATOR),
    "show_rule_order": _may(Where.PROJECT, READ, *MANAGING, *RUNNING),
    "replace_rule_order": _may(Where.PROJECT, WRITE, *MANAGING, ADMINISTRATOR),
    "try_rules": _may(Where.ANY, READ, *MANAGING, ADMINISTRATOR),
    "remove_rule": _may(Where.RULE, WRITE, *MANAGING, ADMINISTRATOR),
    # profiles
    "list_profiles": _may(Where.SELF, READ),
    "show_profile": _may(Where.SELF, READ),
    "check_profile": _may(Where.SELF, READ),
    "explain_attribute": _may(Where.SELF, READ),
    "compare_profiles": _may(Where.SELF, READ),
    "show_project_profile": _may(Where.PROJECT, READ, *MEMBERS, ADMINISTRATOR),
    "replace_project_profile": _may(Where.PROJECT, WRITE, *MANAGING, ADMINISTRATOR),
    "list_versions": _may(Where.PROJECT, READ, *MEMBERS, ADMINISTRATOR),
    "show_version": _may(Where.PROJECT, READ, *MEMBERS, ADMINISTRATOR),
    "show_proposal": _may(Where.PROJECT, READ, *LOOKING_AFTER, ADMINISTRATOR),
    "accept_proposal": _may(Where.PROJECT, WRITE, *MANAGING, ADMINISTRATOR),
    "list_attributes": _may(Where.PROJECT, READ, *LOOKING_AFTER),
    "search_attributes": _may(Where.PROJECT, READ, *LOOKING_AFTER),
    "list_values": _may(Where.PROJECT, READ, *LOOKING_AFTER),
    "mark_attribute": _may(Where.PROJECT, REVIEW, *REVIEWING),
    # transfers, quarantine, pixels
    "list_transfers": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "show_transfer": _may(Where.TRANSFER, READ, *MEMBERS, *RUNNING),
    "list_quarantine": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "group_quarantine": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "list_quarantine_of_transfer": _may(Where.TRANSFER, READ, *MEMBERS, *RUNNING),
    "show_value": _may(Where.TRANSFER, REVIEW, *REVIEWING),
    "decide": _may(Where.TRANSFER, REVIEW, *REVIEWING),
    "list_reviews": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "show_review": _may(Where.REVIEW, READ, *MEMBERS, *RUNNING),
    "list_findings": _may(Where.TRANSFER, READ, *LOOKING_AFTER),
    "show_finding": _may(Where.TRANSFER, READ, *LOOKING_AFTER),
    "show_after": _may(Where.TRANSFER, READ, *LOOKING_AFTER),
    "show_texts": _may(Where.TRANSFER, REVIEW, *REVIEWING),
    "show_before": _may(Where.TRANSFER, REVIEW, *REVIEWING),
    # corrections
    "list_corrections": _may(Where.ANY, READ, *MANAGING),
    "correct": _may(Where.ASSIGNMENT, WRITE, *MANAGING),
    "cancel_assignment": _may(Where.ASSIGNMENT, WRITE, *MANAGING),
    "cancel_transfer": _may(Where.TRANSFER, WRITE, *MANAGING, *RUNNING),
    "resend": _may(Where.BODY, WRITE, *MANAGING, *RUNNING),
    "show_correction": _may(Where.CORRECTION, READ, *MANAGING, *RUNNING),
    "list_withdrawals": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "show_withdrawal": _may(Where.CORRECTION, READ, *MANAGING, *RUNNING),
    "confirm_withdrawal": _may(Where.CORRECTION, WRITE, *MANAGING, *RUNNING),
    "retry_withdrawal": _may(Where.CORRECTION, WRITE, *MANAGING, *RUNNING),
    "withdraw_consent": _may(Where.PROJECT, WRITE, *MANAGING),
    # the gateway
    "list_destinations": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "make_destination": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "show_destination": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "change_destination": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "remove_destination": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "echo_destination": _may(Where.ANY, OPERATE, *MANAGING, *RUNNING),
    "list_mails": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "retry_mail": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "drop_mail": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "list_dead": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "show_dead": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "replay_dead": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "drop_dead": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "show_janitor": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "let_janitor_go": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "stop_janitor": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "list_janitor_runs": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "ask_for_janitor_run": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "show_janitor_run": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "list_janitor_lines": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "list_janitor_findings": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "watch": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    "list_checks": _may(Where.GATEWAY, READ, *RUNNING),
    "list_heartbeats": _may(Where.GATEWAY, READ, *RUNNING),
    "list_switches": _may(Where.GATEWAY, READ, *RUNNING),
    "turn_switch": _may(Where.GATEWAY, OPERATE, *RUNNING),
    "show_counts": _may(Where.ANY, READ, *MEMBERS, *RUNNING),
    # REDCap
    "list_redcap": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "list_redcap_differences": _may(Where.ANY, READ, *MANAGING, *RUNNING),
    "compare_redcap": _may(Where.ANY, OPERATE, *MANAGING, *RUNNING),
    # audit and data protection
    "report_project": _may(Where.PROJECT, AUDIT, OWNER, AUDITOR),
    "list_audit": _may(Where.GATEWAY, AUDIT, AUDITOR),
    "verify_audit": _may(Where.GATEWAY, AUDIT, AUDITOR),
    "export_audit": _may(Where.GATEWAY, AUDIT, AUDITOR),
    # STOW-RS
    "store_instances": _may(Where.NETWORK, Scope.STORE, *ENTERING, *RUNNING),
    "store_study_instances": _may(Where.NETWORK, Scope.STORE, *ENTERING, *RUNNING),
}
"""Operation (the name of the route's function) -> who may."""
