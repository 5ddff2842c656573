"""What is recorded of an event: whose it is by the columns of an entry, the rest of its short fields as details.

Events carry identifiers, counts and reasons that are free of PHI (tests/contract), so all of that may be told.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from shared import events
from shared.audit.record import Outcome, Record
from shared.events import Event


class Told(NamedTuple):
    """Who did it, how it is called, and how it ended."""

    actor: str
    operation: str
    outcome: Outcome = "done"


TOLD: Final[Mapping[type[Event], Told]] = {
    events.StudyArrived: Told("indexer", "study_arrived"),
    events.SeriesAnonymized: Told("anonymizer", "series_anonymized"),
    events.SeriesDelivered: Told("sender", "series_delivered"),
    events.TransferCompleted: Told("sender", "transfer_completed"),
    events.TransferFailed: Told("sender", "transfer_failed", "failed"),
    events.ProjectMoved: Told("registry", "project_moved"),
    events.ProjectReminded: Told("registry", "project_reminded"),
    events.ProjectExported: Told("registry", "project_exported"),
    events.ProjectAnonymised: Told("registry", "project_anonymised"),
    events.StudyUnlinked: Told("registry", "study_unlinked"),
    events.StudyForgotten: Told("registry", "study_forgotten"),
    events.AssignmentEnded: Told("router", "assignment_ended"),
    events.WithdrawalAnswered: Told("sender", "withdrawal_answered"),
    events.ParticipantWithdrawn: Told("api", "participant_withdrawn"),
    events.RemovalAnswered: Told("gateway", "removal_answered"),
    events.IdentitiesRemoved: Told("indexer", "identity_removed"),
    events.RetentionApplied: Told("janitor", "retention_applied"),
}
"""What the gateway does with patients' data by itself. What a person asked for is recorded when they ask."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "instances.received.v1": "study_arrived tells of it",
    "association.closed.v1": "of no patient",
    "series.arrived.v1": "study_arrived tells of it",
    "study.assigned.v1": "a person asked for it",
    "transfer.requested.v1": "series_anonymized tells of it",
    "delivery.requested.v1": "series_delivered tells of it",
    "quarantine.reviewed.v1": "a person asked for it",
    "project.confirmed.v1": "a person asked for it",
    "switch.turned.v1": "a person asked for it",
    "heartbeat.passed.v1": "of no patient",
    "monitor.state.changed.v1": "of no patient",
    "resend.requested.v1": "a person asked for it",
    "assignment.corrected.v1": "a person asked for it",
    "transfer.cancelled.v1": "a person asked for it",
    "project.withdrawn.v1": "project_moved and withdrawal_answered tell of it",
    "withdrawal.requested.v1": "withdrawal_answered tells of it",
    "withdrawal.confirmed.v1": "a person asked for it",
    "withdrawal.retried.v1": "a person asked for it",
    "withdrawal.completed.v1": "withdrawal_answered tells of it",
    "removal.requested.v1": "removal_answered tells of it",
    "retention.ended.v1": "retention_applied tells of it",
    "coupling.changed.v1": "a person asked for it",
    "study.coupled.v1": "a person asked for it",
    "redcap.comparison.requested.v1": "a person asked for it",
}
"""The other events, and why nothing is recorded of them."""

SHORT: Final = (str, int, dict)
"""Texts, counts, and counts by kind; a list is of what other entries tell one by one."""

COLUMNS: Final = {"study_instance_uid": "study_instance_uid", "project": "project", "participant": "participant"}
"""Fields of events that have a column of their own."""


def records_of(event: Event, correlation: str) -> list[Record]:
    """One record; of an event about several studies, one of each."""
    told = TOLD[type(event)]
    fields: dict[str, Any] = event.model_dump()
    studies = fields.pop("studies", None) or [fields.get("study_instance_uid")]
    whose = {column: fields.pop(name, None) for name, column in COLUMNS.items()}
    return [
        Record(
            actor=told.actor,
            actor_kind="service",
            operation=told.operation,
            outcome=told.outcome,
            details={name: value for name, value in fields.items() if isinstance(value, SHORT) and value != ""},
            correlation=correlation,
            **(whose | {"study_instance_uid": study}),
        )
        for study in studies
    ]
