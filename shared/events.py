"""What has happened, said once for all services: identifiers, counts and store-relative paths only.

An event never carries a name, a birth date, a patient id or an accession number (it may end in a log, a
trace or a dead-letter list). A participant here is always the pseudonym under which a project knows
somebody. A field with a default may be added; any other change is a new version beside the old one.
"""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class Event(BaseModel):
    """A fact in the past tense; `name` is its address on the bus and carries its version."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str]

    def key(self) -> str | None:
        """What makes two publications the same fact (None: each publication is a fact of its own)."""
        return None


class ReceivedInstance(BaseModel):
    """One instance on disk, as it was acknowledged to its sender."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str = Field(description="relative to the store, e.g. archive/scp_<StudyInstanceUID>/<SOPInstanceUID>.dcm")
    size: int = Field(description="bytes of the file")
    conflict: bool = Field(default=False, description="other bytes are already kept under this SOP Instance UID")


class InstancesReceived(Event):
    """The receiver has instances safely on disk: a batch of one association."""

    name: ClassVar[str] = "instances.received.v1"
    association: str = Field(description="the receiver's own id of the association, or of the STOW-RS request")
    calling_aet: str
    called_aet: str
    caller_ip: str
    instances: tuple[ReceivedInstance, ...]


class AssociationClosed(Event):
    """An association has ended (released, aborted, or found dead after a crash) and all of it is published."""

    name: ClassVar[str] = "association.closed.v1"
    association: str
    instances: int = Field(description="instances published for it, duplicates left out")
    heartbeat: bool = Field(default=False, description="it was the monitor's, and brought one instance")

    def key(self) -> str:
        return f"{self.association}:{self.instances}"


class SeriesArrived(Event):
    """A series is whole as far as anybody can know; late instances make a next revision."""

    name: ClassVar[str] = "series.arrived.v1"
    study_instance_uid: str
    series_instance_uid: str
    revision: int = Field(description="1 for the first arrival, +1 each time late instances come in")
    instances: int = Field(description="instances new in this revision")
    total: int = Field(description="instances of the series in all revisions so far")
    heartbeat: str | None = Field(default=None, description="it is no study but this heartbeat")

    def key(self) -> str:
        return f"{self.series_instance_uid}:{self.revision}"


class StudyArrived(Event):
    """Every series of a study that is known of has arrived."""

    name: ClassVar[str] = "study.arrived.v1"
    study_instance_uid: str
    series: int
    instances: int


class StudyAssigned(Event):
    """A person has said to which project, participant and event a study belongs."""

    name: ClassVar[str] = "study.assigned.v1"
    assignment: str
    study_instance_uid: str
    project: str
    participant: str = Field(description="the project's pseudonym of the participant")
    event: str = Field(default="Unknown", description="the project's word for the visit")

    def key(self) -> str:
        return self.assignment


class TransferRequested(Event):
    """One series of a transfer is to be de-identified for a project; a transfer is `parts` of these."""

    name: ClassVar[str] = "transfer.requested.v1"
    transfer: str
    parts: int = Field(description="how many series (revisions) make the whole transfer")
    project: str
    participant: str
    event: str
    destinations: tuple[str, ...]
    profile: str = Field(description="name of the profile")
    study_instance_uid: str
    series_instance_uid: str
    revision: int
    instances: int
    profile_version: int = Field(default=0, description="version of the project's own profile; 0: a built-in one")
    review: str | None = Field(default=None, description="only the instances that this review of quarantine names")
    heartbeat: str | None = Field(default=None, description="of no project: this heartbeat goes nowhere")

    def key(self) -> str:
        return f"{self.transfer}:{self.series_instance_uid}:{self.revision}"


class SeriesAnonymized(Event):
    """A part of a transfer is de-identified; what could not be is in quarantine, and all is counted."""

    name: ClassVar[str] = "series.anonymized.v1"
    transfer: str
    parts: int
    destinations: tuple[str, ...]
    project: str
    series_instance_uid: str = Field(description="of the source")
    revision: int
    target_study_instance_uid: str
    manifest: str = Field(description="store-relative path of the JSON list of the de-identified instances")
    instances: int = Field(description="de-identified and written")
    quarantined: int
    left_out: int = Field(default=0, description="what the profile leaves out: neither written nor quarantined")
    profile_version: str = Field(default="", description="of the profile that was applied")
    profile_digest: str = Field(default="", description="SHA-256 of all that decides the result")
    heartbeat: str | None = Field(default=None, description="of no project: this heartbeat goes nowhere")

    def key(self) -> str:
        return f"{self.transfer}:{self.series_instance_uid}:{self.revision}"


class DeliveryRequested(Event):
    """A de-identified part is to go to one destination."""

    name: ClassVar[str] = "delivery.requested.v1"
    transfer: str
    parts: int
    destinations: tuple[str, ...]
    destination: str
    series_instance_uid: str
    revision: int
    target_study_instance_uid: str
    manifest: str
    instances: int
    quarantined: int
    left_out: int = 0
    heartbeat: str | None = Field(default=None, description="of no project: this heartbeat goes nowhere")

    def key(self) -> str:
        return f"{self.transfer}:{self.series_instance_uid}:{self.revision}:{self.destination}"


class SeriesDelivered(Event):
    """A destination has answered for every instance of a part: acknowledged or refused."""

    name: ClassVar[str] = "series.delivered.v1"
    transfer: str
    destination: str
    series_instance_uid: str
    revision: int
    delivered: int
    refused: int

    def key(self) -> str:
        return f"{self.transfer}:{self.series_instance_uid}:{self.revision}:{self.destination}"


class TransferCompleted(Event):
    """Every part is at every destination and was counted there."""

    name: ClassVar[str] = "transfer.completed.v1"
    transfer: str
    delivered: int = Field(description="instances acknowledged, per destination")
    quarantined: int
    counted: int = Field(description="how many of them the destinations could be asked to confirm and did")
    left_out: int = Field(default=0, description="instances that the profile leaves out")

    def key(self) -> str:
        return self.transfer


class TransferFailed(Event):
    """A transfer cannot become complete without a person: a destination refused instances for good."""

    name: ClassVar[str] = "transfer.failed.v1"
    transfer: str
    reason: str = Field(description="free of PHI")
    refused: int

    def key(self) -> str:
        return self.transfer


class IdentitiesRemoved(Event):
    """Who was examined is not known any more for some studies: the time for which it was to be kept is over."""

    name: ClassVar[str] = "identities.removed.v1"
    studies: tuple[str, ...] = Field(description="StudyInstanceUIDs")
    identities: int = Field(description="people of whom no study with an identity is left")
    reason: str = Field(description="unassigned or archived")


class RetentionLimits(BaseModel):
    """What must hold before something may go, as the policies say it; whoever removes looks again."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    min_days: float = Field(default=30, ge=0, description="nothing younger than this goes, whatever the disk says")
    unassigned_days: float | None = Field(
        default=None, ge=0, description="what nobody has assigned for so long may go; null: never"
    )
    counted: bool = Field(
        default=True, description="acknowledged is not enough: the destination has found every instance when asked"
    )
    anonymous_days: float | None = Field(
        default=None, ge=0, description="what is left of anonymous projects may go after so long; null: never"
    )


class RetentionEnded(Event):
    """The time for which something was to be kept is over: whose it is looks again, and removes it."""

    name: ClassVar[str] = "retention.ended.v1"
    run: str = Field(description="of the janitor")
    kind: str = Field(
        description="archive, missing, identities, links, stopped, anonymized, review, export, answers, settled or rows"
    )
    subject: str = Field(description="StudyInstanceUID, transfer, export, table, or part of a tree of links")
    step: int = Field(default=0, description="of a removal that takes several")
    before: datetime = Field(description="nothing that is newer goes")
    limits: RetentionLimits = RetentionLimits()

    def key(self) -> str:
        return f"{self.run}:{self.kind}:{self.subject}:{self.step}"


class RetentionApplied(Event):
    """Something is gone because its time was over, or stays for a reason."""

    name: ClassVar[str] = "retention.applied.v1"
    run: str
    kind: str
    subject: str
    step: int = 0
    study_instance_uid: str | None = None
    removed: dict[str, int] = Field(default_factory=dict, description="what, and how much of it")
    kept: str = Field(default="", description="why it stays, free of PHI; empty: it is gone")
    more: bool = Field(default=False, description="there is more of it: the next step may be asked for")

    def key(self) -> str:
        return f"{self.run}:{self.kind}:{self.subject}:{self.step}"


class QuarantineReviewed(Event):
    """A person has decided what becomes of instances in quarantine."""

    name: ClassVar[str] = "quarantine.reviewed.v1"
    review: str
    transfer: str = Field(description="the one that quarantined them")
    decision: Literal["release", "repeat", "drop"] = Field(
        description="let pass what was stopped, de-identify again by the project's profile of now, or leave for good"
    )
    instances: int

    def key(self) -> str:
        return self.review


class RedcapComparisonRequested(Event):
    """Somebody wants the gateway and a REDCap project to be compared."""

    name: ClassVar[str] = "redcap.comparison.requested.v1"
    comparison: str
    project: str = Field(description="whose REDCap project; empty: Incoming")
    repair: bool = Field(default=False, description="what is found missing in REDCap is to be written again")

    def key(self) -> str:
        return self.comparison


class ProjectMoved(Event):
    """A project is in another state than before, or the same one anew: it takes studies, or does no more."""

    name: ClassVar[str] = "project.moved.v1"
    project: str
    before: str = Field(description="applied, development, production or archived")
    after: str = Field(description="development, production, archived or deleted")


class ProjectReminded(Event):
    """PI and data manager were told that the approval of a project ends."""

    name: ClassVar[str] = "project.reminded.v1"
    project: str
    months: int = Field(description="before the end, or fewer")
    ends_on: date

    def key(self) -> str:
        return f"{self.project}:{self.months}:{self.ends_on}"


class ProjectExported(Event):
    """All that is held of a project is in one file, for its PI."""

    name: ClassVar[str] = "project.exported.v1"
    project: str
    export: str
    final: bool = Field(description="what is confirmed before the project's data go")
    instances: int
    missing: int = Field(description="instances that were de-identified and are held no more")


class ProjectConfirmed(Event):
    """The PI has a project's data: here they go."""

    name: ClassVar[str] = "project.confirmed.v1"
    project: str
    export: str

    def key(self) -> str:
        return self.export


class ProjectAnonymised(Event):
    """What was held of a project is another project's now, of which nothing leads back."""

    name: ClassVar[str] = "project.anonymised.v1"
    project: str
    successor: str
    instances: int
    left_behind: int = Field(description="instances that could not be de-identified whole a second time")
    missing: int = Field(description="instances that were held no more")


class UnlinkedSeries(BaseModel):
    """A series under its new identity."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    series_instance_uid: str
    manifest: str = Field(description="store-relative path of the JSON list of its instances")
    instances: int


class StudyUnlinked(Event):
    """A study has an identity that nobody can lead back, in an anonymous project, and is to go to its destinations."""

    name: ClassVar[str] = "study.unlinked.v1"
    project: str
    transfer: str
    participant: str = Field(description="a running number of the anonymous project")
    event: str
    destinations: tuple[str, ...]
    target_study_instance_uid: str
    series: tuple[UnlinkedSeries, ...]

    def key(self) -> str:
        return self.transfer


class ProjectWithdrawn(Event):
    """All that a project has sent is to leave its destinations, before the project goes from here."""

    name: ClassVar[str] = "project.withdrawn.v1"
    project: str
    withdrawal: str

    def key(self) -> str:
        return self.withdrawal


class StudyForgotten(Event):
    """No project holds a study any more: its originals are to go, and with them whose they were."""

    name: ClassVar[str] = "study.forgotten.v1"
    study_instance_uid: str


class ResendRequested(Event):
    """A person wants something sent once more: a transfer, a series, a study, or all of a project since a day."""

    name: ClassVar[str] = "resend.requested.v1"
    correction: str
    project: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    transfer: str | None = Field(default=None, description="what this one was asked for")
    since: datetime | None = Field(default=None, description="studies of which a transfer was asked for since then")
    after: str = Field(description="empty, or only studies behind this one in the order of their UIDs")

    def key(self) -> str:
        return f"{self.correction}:{self.after}"


class AssignmentCorrected(Event):
    """A person has said that a study does not belong where it was assigned to; and where it does, if anywhere."""

    name: ClassVar[str] = "assignment.corrected.v1"
    correction: str
    assignment: str = Field(description="the one that is to end")
    study_instance_uid: str
    becomes: str | None = Field(default=None, description="the assignment that takes its place; null: none does")
    project: str = Field(default="", description="of the new assignment, and so on")
    participant: str = ""
    event: str = ""

    def key(self) -> str:
        return self.correction


class TransferCancelled(Event):
    """A person does not want a transfer to go on."""

    name: ClassVar[str] = "transfer.cancelled.v1"
    correction: str
    transfer: str

    def key(self) -> str:
        return self.correction


class AssignmentEnded(Event):
    """A study does not belong to a participant any more."""

    name: ClassVar[str] = "assignment.ended.v1"
    assignment: str
    study_instance_uid: str
    project: str
    withdrawal: str = Field(description="of what was sent; the id of the correction")

    def key(self) -> str:
        return self.assignment


def _attempted(*parts: str) -> str:
    return ":".join(parts).removesuffix(":")


class WithdrawalRequested(Event):
    """What a transfer has brought to a destination is to leave it."""

    name: ClassVar[str] = "withdrawal.requested.v1"
    withdrawal: str
    transfer: str
    destination: str
    attempt: str = Field(default="", description="of a person who wants it tried again; empty: the first")

    def key(self) -> str:
        return _attempted(self.withdrawal, self.transfer, self.destination, self.attempt)


class WithdrawalAnswered(Event):
    """What a transfer has brought to a destination has left it, or has to be removed there by hand."""

    name: ClassVar[str] = "withdrawal.answered.v1"
    withdrawal: str
    transfer: str
    destination: str
    outcome: Literal["withdrawn", "by_hand"]
    instances: int = Field(description="that were to leave")
    withdrawn: int = Field(description="that have left")
    target_study_instance_uid: str | None = Field(default=None, description="null: nothing was sent")
    reason: str = Field(default="", description="why by hand; free of PHI")
    attempt: str = Field(default="", description="that of the request")

    def key(self) -> str:
        return _attempted(self.withdrawal, self.transfer, self.destination, self.attempt)


class WithdrawalConfirmed(Event):
    """A person has removed by hand what a transfer had brought to a destination."""

    name: ClassVar[str] = "withdrawal.confirmed.v1"
    withdrawal: str
    transfer: str
    destination: str

    def key(self) -> str:
        return f"{self.withdrawal}:{self.transfer}:{self.destination}"


class WithdrawalRetried(Event):
    """A person wants a program to try once more what was to be removed by hand."""

    name: ClassVar[str] = "withdrawal.retried.v1"
    withdrawal: str
    transfer: str
    destination: str
    attempt: str

    def key(self) -> str:
        return _attempted(self.withdrawal, self.transfer, self.destination, self.attempt)


class WithdrawalCompleted(Event):
    """What was sent has left everywhere: what its transfers have left here is of no use any more."""

    name: ClassVar[str] = "withdrawal.completed.v1"
    withdrawal: str
    project: str
    transfers: tuple[str, ...]

    def key(self) -> str:
        return self.withdrawal


class ParticipantWithdrawn(Event):
    """A participant's consent was withdrawn: all that is known of them here and at the destinations is to go."""

    name: ClassVar[str] = "participant.withdrawn.v1"
    withdrawal: str
    project: str
    participant: str
    removed: dict[str, int] = Field(default={}, description="what the api has removed of its own, and how much")

    def key(self) -> str:
        return self.withdrawal


class RemovalRequested(Event):
    """What has come of these transfers and studies is to be removed here, by each service what is its own."""

    name: ClassVar[str] = "removal.requested.v1"
    withdrawal: str
    project: str
    transfers: tuple[str, ...]
    studies: tuple[str, ...] = Field(description="to be removed unless they belong to somebody else, too")

    def key(self) -> str:
        return self.withdrawal


class RemovalAnswered(Event):
    """A service has removed what is its own."""

    name: ClassVar[str] = "removal.answered.v1"
    withdrawal: str
    service: str
    removed: dict[str, int] = Field(description="what, and how much of it")
    left: dict[str, int] = Field(default={}, description="what could not be removed, or is needed by others")

    def key(self) -> str:
        return f"{self.withdrawal}:{self.service}"


class CouplingChanged(Event):
    """A project's coupling list says something new: studies that are here already may be meant."""

    name: ClassVar[str] = "coupling.changed.v1"
    project: str
    upload: str = Field(description="the addition to the list")
    after: str = Field(description="the entry up to which it has been looked at; empty: from the first")

    def key(self) -> str:
        return f"{self.upload}:{self.after}"


class StudyCoupled(Event):
    """A study that has arrived before is named by a coupling entry that is newer than it."""

    name: ClassVar[str] = "study.coupled.v1"
    study_instance_uid: str
    upload: str = Field(description="the addition to a coupling list that names it")

    def key(self) -> str:
        return f"{self.upload}:{self.study_instance_uid}"


class SwitchTurned(Event):
    """A person has switched receiving, de-identifying or sending off, or on again."""

    name: ClassVar[str] = "switch.turned.v1"
    switch: Literal["receive", "anonymise", "send"]
    state: Literal["on", "off"]


Step = Literal["index", "route", "anonymise", "send"]


class HeartbeatPassed(Event):
    """A service has done its part of a heartbeat."""

    name: ClassVar[str] = "heartbeat.passed.v1"
    heartbeat: str
    step: Step
    instances: int = Field(description="1, unless it was not let through")
    at: datetime

    def key(self) -> str:
        return f"{self.heartbeat}:{self.step}"


class MonitorStateChanged(Event):
    """Something that the monitor looks at is otherwise than it was."""

    name: ClassVar[str] = "monitor.state.changed.v1"
    check: str = Field(description="receiver, destination, queue, disk, …")
    subject: str = Field(description="which one; empty: there is only one")
    before: Literal["ok", "warning", "failing"]
    after: Literal["ok", "warning", "failing"]
    at: datetime


EVENTS: dict[str, type[Event]] = {
    event.name: event
    for event in (
        InstancesReceived,
        AssociationClosed,
        SeriesArrived,
        StudyArrived,
        StudyAssigned,
        TransferRequested,
        SeriesAnonymized,
        DeliveryRequested,
        SeriesDelivered,
        TransferCompleted,
        TransferFailed,
        QuarantineReviewed,
        RedcapComparisonRequested,
        ProjectMoved,
        ProjectReminded,
        ProjectExported,
        ProjectConfirmed,
        ProjectAnonymised,
        StudyUnlinked,
        ProjectWithdrawn,
        StudyForgotten,
        ResendRequested,
        AssignmentCorrected,
        TransferCancelled,
        AssignmentEnded,
        WithdrawalRequested,
        WithdrawalAnswered,
        WithdrawalConfirmed,
        WithdrawalRetried,
        WithdrawalCompleted,
        ParticipantWithdrawn,
        RemovalRequested,
        RemovalAnswered,
        IdentitiesRemoved,
        RetentionEnded,
        RetentionApplied,
        CouplingChanged,
        StudyCoupled,
        SwitchTurned,
        HeartbeatPassed,
        MonitorStateChanged,
    )
}
