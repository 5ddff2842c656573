"""The tables, one module per writing service; anybody may read, only the named service writes.

`identity` is a schema of its own on PostgreSQL (a database role can be kept out of it); its values are
encrypted field by field wherever they name a person.
"""

from shared.tables.anonymizer import CountedPart, KeptAttribute, QuarantinedInstance
from shared.tables.audit import AuditCollector, AuditEntry
from shared.tables.base import Base
from shared.tables.bus import BusMessage
from shared.tables.corrections import AssignmentWish, Correction, WithdrawalNote
from shared.tables.indexer import (
    Association,
    AssociationInstance,
    Instance,
    InstanceConflict,
    Patient,
    PatientIdentity,
    Series,
    Study,
    StudyIdentity,
)
from shared.tables.janitor import JanitorFinding, JanitorLine, JanitorRun, JanitorState
from shared.tables.ledger import Change, InboxEntry, OutboxEntry, PublishedMessage, Trace
from shared.tables.life import (
    AccessRequest,
    Application,
    Contract,
    ProjectExport,
    ProjectLeftover,
    ProjectStep,
    ProjectWork,
)
from shared.tables.mail import Mail
from shared.tables.monitor import Heartbeat, MonitorCheck, MonitorLease
from shared.tables.orders import JanitorOrder
from shared.tables.participants import AutoId, AutoIdCounter, Participant
from shared.tables.people import Account, ApiToken, Membership, PasswordReset, SignInTally, WebSession
from shared.tables.redcap import (
    RedcapDifference,
    RedcapInstance,
    RedcapOwed,
    RedcapResult,
    RedcapTaken,
    RedcapTarget,
)
from shared.tables.registry import (
    AttributeMark,
    CouplingEntry,
    CouplingUpload,
    Destination,
    IdempotentAnswer,
    Project,
    ProjectProfile,
    QuarantineReview,
    ReviewedInstance,
    RoutingRule,
)
from shared.tables.router import Assignment, Removal, Transfer, TransferPart, Withdrawal, WithdrawalPart
from shared.tables.sender import BegunDelivery, Delivery, SentInstance
from shared.tables.vault import VaultKey

__all__ = [
    "AccessRequest",
    "Account",
    "ApiToken",
    "Application",
    "Assignment",
    "AssignmentWish",
    "Association",
    "AssociationInstance",
    "AttributeMark",
    "AuditCollector",
    "AuditEntry",
    "AutoId",
    "AutoIdCounter",
    "Base",
    "BegunDelivery",
    "BusMessage",
    "Change",
    "Contract",
    "Correction",
    "CountedPart",
    "CouplingEntry",
    "CouplingUpload",
    "Delivery",
    "Destination",
    "Heartbeat",
    "IdempotentAnswer",
    "InboxEntry",
    "Instance",
    "InstanceConflict",
    "JanitorFinding",
    "JanitorLine",
    "JanitorOrder",
    "JanitorRun",
    "JanitorState",
    "KeptAttribute",
    "Mail",
    "Membership",
    "MonitorCheck",
    "MonitorLease",
    "OutboxEntry",
    "Participant",
    "PasswordReset",
    "Patient",
    "PatientIdentity",
    "Project",
    "ProjectExport",
    "ProjectLeftover",
    "ProjectProfile",
    "ProjectStep",
    "ProjectWork",
    "PublishedMessage",
    "QuarantineReview",
    "QuarantinedInstance",
    "RedcapDifference",
    "RedcapInstance",
    "RedcapOwed",
    "RedcapResult",
    "RedcapTaken",
    "RedcapTarget",
    "Removal",
    "ReviewedInstance",
    "RoutingRule",
    "SentInstance",
    "Series",
    "SignInTally",
    "Study",
    "StudyIdentity",
    "Trace",
    "Transfer",
    "TransferPart",
    "VaultKey",
    "WebSession",
    "Withdrawal",
    "WithdrawalNote",
    "WithdrawalPart",
]
