"""Who listens to what. Every process declares all of it at start, so that an event published before its
listener was ever started waits in the listener's queue instead of falling on the floor."""

from shared import events

SUBSCRIPTIONS: dict[str, tuple[type[events.Event], ...]] = {
    "indexer": (
        events.InstancesReceived,
        events.AssociationClosed,
        events.StudyForgotten,
        events.RemovalRequested,
        events.RetentionEnded,
    ),
    "router": (
        events.SeriesArrived,
        events.StudyArrived,
        events.StudyAssigned,
        events.SeriesAnonymized,
        events.SeriesDelivered,
        events.TransferCompleted,
        events.TransferFailed,
        events.QuarantineReviewed,
        events.ProjectMoved,
        events.StudyUnlinked,
        events.ProjectWithdrawn,
        events.ResendRequested,
        events.AssignmentCorrected,
        events.TransferCancelled,
        events.WithdrawalAnswered,
        events.WithdrawalConfirmed,
        events.WithdrawalRetried,
        events.ParticipantWithdrawn,
        events.RemovalAnswered,
        events.CouplingChanged,
        events.StudyCoupled,
    ),
    "anonymizer": (
        events.TransferRequested,
        events.WithdrawalCompleted,
        events.RemovalRequested,
        events.RetentionEnded,
    ),
    "redcap": (
        events.SeriesArrived,
        events.StudyArrived,
        events.TransferRequested,
        events.SeriesAnonymized,
        events.TransferCompleted,
        events.TransferFailed,
        events.QuarantineReviewed,
        events.TransferCancelled,
        events.WithdrawalAnswered,
        events.WithdrawalConfirmed,
        events.WithdrawalCompleted,
        events.RemovalRequested,
        events.RedcapComparisonRequested,
    ),
    "sender": (
        events.SeriesAnonymized,
        events.DeliveryRequested,
        events.SeriesDelivered,
        events.WithdrawalRequested,
        events.WithdrawalCompleted,
        events.RemovalRequested,
        events.RetentionEnded,
    ),
    "registry": (
        events.RetentionEnded,
        events.ParticipantWithdrawn,
        events.RemovalRequested,
        events.WithdrawalRequested,
    ),
    "api": (events.RetentionEnded,),
    "janitor": (events.RetentionEnded, events.RetentionApplied),
    "monitor": (events.HeartbeatPassed,),
    "audit": (
        events.StudyArrived,
        events.SeriesAnonymized,
        events.SeriesDelivered,
        events.TransferCompleted,
        events.TransferFailed,
        events.IdentitiesRemoved,
        events.ProjectMoved,
        events.ProjectReminded,
        events.ProjectExported,
        events.ProjectAnonymised,
        events.StudyUnlinked,
        events.StudyForgotten,
        events.AssignmentEnded,
        events.WithdrawalAnswered,
        events.ParticipantWithdrawn,
        events.RemovalAnswered,
        events.RetentionApplied,
    ),
}


def queue(service: str, event: type[events.Event]) -> str:
    """The home queue of a subscription, e.g. `indexer.instances.received.v1`."""
    return f"{service}.{event.name}"


def queues(event_name: str) -> list[str]:
    """The home queues of all who listen to an event."""
    return [
        queue(service, event)
        for service, listened in SUBSCRIPTIONS.items()
        for event in listened
        if event.name == event_name
    ]


def all_queues() -> dict[str, str]:
    """Home queue -> event name, for the whole gateway."""
    return {queue(s, e): e.name for s, listened in SUBSCRIPTIONS.items() for e in listened}
