"""Which audit message an entry becomes."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from services.audit.dicom import codes
from services.audit.dicom.codes import Code
from shared.audit.verify import TRUNCATED
from shared.tables import AuditEntry


class Kind(Enum):
    """A message of PS3.15 A.5.3: its EventID, and its EventActionCode where there is but one."""

    APPLICATION = codes.APPLICATION_ACTIVITY, "E"
    LOG_USED = codes.AUDIT_LOG_USED, "R"
    BEGIN = codes.BEGIN_TRANSFERRING, "E"
    EXPORT = codes.EXPORT, "R"
    IMPORT = codes.IMPORT, "C"
    ACCESSED = codes.INSTANCES_ACCESSED, ""
    RECEIVED = codes.INSTANCES_TRANSFERRED, "C"
    SENT = codes.INSTANCES_TRANSFERRED, "R"
    DELETED = codes.STUDY_DELETED, "D"
    PATIENT_REMOVED = codes.PATIENT_RECORD, "D"
    QUERY = codes.QUERY, "E"
    ALERT = codes.SECURITY_ALERT, "E"
    AUTHENTICATION = codes.USER_AUTHENTICATION, "E"

    @property
    def event(self) -> Code:
        """EventID."""
        return self.value[0]


BY_OPERATION: Final[Mapping[str, Kind]] = {
    "application_started": Kind.APPLICATION,
    "application_stopped": Kind.APPLICATION,
    "list_audit": Kind.LOG_USED,
    "export_audit": Kind.LOG_USED,
    "verify_audit": Kind.LOG_USED,
    "study_arrived": Kind.RECEIVED,
    "series_anonymized": Kind.BEGIN,
    "series_delivered": Kind.SENT,
    "transfer_completed": Kind.EXPORT,
    "study_forgotten": Kind.DELETED,
    "identity_removed": Kind.PATIENT_REMOVED,
    "store_instances": Kind.IMPORT,
    "store_study_instances": Kind.IMPORT,
    "search_studies": Kind.QUERY,
    "search_attributes": Kind.QUERY,
    "check_profile": Kind.QUERY,
    "compare_profiles": Kind.QUERY,
    "explain_attribute": Kind.QUERY,
    "echo_destination": Kind.QUERY,
    "sign_in": Kind.AUTHENTICATION,
    "fetch_session": Kind.AUTHENTICATION,
    "sign_out": Kind.AUTHENTICATION,
    TRUNCATED: Kind.ALERT,
}
"""What the operation alone decides."""

NEEDS_STUDY: Final = (Kind.BEGIN, Kind.EXPORT, Kind.ACCESSED, Kind.RECEIVED, Kind.SENT, Kind.DELETED)
"""Messages that may not be without one."""

TYPES: Final[Mapping[str, Code]] = {
    "application_started": codes.APPLICATION_START,
    "application_stopped": codes.APPLICATION_STOP,
    "sign_in": codes.LOGIN,
    "fetch_session": codes.LOGIN,
    "sign_out": codes.LOGOUT,
    **dict.fromkeys(("change_password", "make_account", "set_account_password"), codes.USER_CHANGED),
    **dict.fromkeys(("make_token", "revoke_token"), codes.USER_CHANGED),
    **dict.fromkeys(("change_account", "set_member", "remove_member"), codes.ROLES_CHANGED),
    **dict.fromkeys(("set_member_everywhere", "remove_member_everywhere"), codes.ROLES_CHANGED),
    TRUNCATED: codes.OBJECT_CHANGED,
}
"""EventTypeCode, where the operation decides."""

ACTIONS: Final[Mapping[str, str]] = {"GET": "R", "HEAD": "R", "POST": "U", "PUT": "U", "PATCH": "U", "DELETE": "D"}
OUTCOMES: Final[Mapping[str, str]] = {"done": "0", "failed": "4", "refused": "8", "unanswered": "12"}
"""EventOutcomeIndicator."""
REFUSED: Final = "refused"


def kind_of(entry: AuditEntry, study: str | None) -> Kind:
    """A refusal is an alert, whatever was asked for; of a study it is an access, else a query or a configuration.

    What is said of instances needs a study to say it of.
    """
    told = BY_OPERATION.get(entry.operation)
    if told is Kind.AUTHENTICATION or told is Kind.APPLICATION:
        return told
    if entry.outcome == REFUSED:
        return Kind.ALERT
    if told is not None and (study is not None or told not in NEEDS_STUDY):
        return told
    if study is not None:
        return Kind.ACCESSED
    return Kind.QUERY if ACTIONS.get(entry.method, "U") == "R" else Kind.ALERT


def action_of(kind: Kind, entry: AuditEntry) -> str:
    """EventActionCode."""
    return kind.value[1] or ACTIONS.get(entry.method, "U")


def type_of(kind: Kind, entry: AuditEntry) -> Code | None:
    """EventTypeCode; an alert always has one."""
    if kind is Kind.ALERT and entry.outcome == REFUSED:
        return codes.RESTRICTED_FUNCTION
    return TYPES.get(entry.operation) or (codes.SECURITY_CONFIGURATION if kind is Kind.ALERT else None)
