"""What people decide: projects and their profiles, destinations, coupling lists, routing rules, reviews.
Written by the api."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.anonymizer import PATH
from shared.tables.base import Base, now
from shared.tables.indexer import IDENTITY, UID


class Destination(Base):
    """Somewhere that de-identified studies go; `config` is checked by the sender's model of its kind."""

    __tablename__ = "destinations"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), doc="dicom, dicomweb or folder")
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Project(Base):
    """A research project and the key of its pseudonyms (encrypted with the master key).

    Its state is moved through shared.registry.life only, by the api and by the registry service.
    """

    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(String(20), primary_key=True, doc="5-20 characters")
    description: Mapped[str] = mapped_column(String(200), default="")
    participant_pattern: Mapped[str] = mapped_column(String(200), default=".+", doc="regular expression, whole match")
    auto_id_pattern: Mapped[str] = mapped_column(
        String(100), default="", doc="how the project makes up participants; empty: it does not"
    )
    auto_id_aet: Mapped[str | None] = mapped_column(
        String(16), doc="what is sent to this AE title is assigned by itself"
    )
    events: Mapped[list[str]] = mapped_column(default=list, doc="empty: any")
    destinations: Mapped[list[str]] = mapped_column(default=list)
    profile: Mapped[str] = mapped_column(
        String(64), default="basic", doc="a built-in one, for a project that has none of its own"
    )
    encrypted_key: Mapped[bytes] = mapped_column(LargeBinary)
    active: Mapped[bool] = mapped_column(default=True, doc="False: an administrator has paused it")
    state: Mapped[str] = mapped_column(String(16), default="production", index=True)
    archived_at: Mapped[datetime | None] = mapped_column(doc="None: it is not, or nothing will become of it")
    organisation: Mapped[str] = mapped_column(String(100), default="")
    pi_name: Mapped[str] = mapped_column(String(100), default="")
    pi_mail: Mapped[str] = mapped_column(String(254), default="")
    manager_name: Mapped[str] = mapped_column(String(100), default="", doc="the data manager")
    manager_mail: Mapped[str] = mapped_column(String(254), default="")
    approval: Mapped[str] = mapped_column(String(40), default="", doc="number of the ethics committee's (REK)")
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None] = mapped_column(doc="the first day without an approval")
    end_provision: Mapped[str] = mapped_column(String(10), default="delete", doc="delete, anonymise, or keep")
    participant_example: Mapped[str] = mapped_column(String(64), default="", doc="a name that fits the pattern")
    events_without_images: Mapped[list[str]] = mapped_column(
        default=list, doc="those of its events to hide from Assign"
    )
    options: Mapped[list[str]] = mapped_column(default=list, doc="what it is for: radiology, pathology, …")
    pathology_folder: Mapped[str] = mapped_column(String(200), default="")
    tsd_group: Mapped[str] = mapped_column(String(64), default="")
    tsd_id: Mapped[str] = mapped_column(String(64), default="")
    tsd_user: Mapped[str] = mapped_column(String(64), default="")
    tsd_folder: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class ProjectProfile(Base):
    """A version of a project's own profile; the latest one counts, and none is ever changed."""

    __tablename__ = "project_profiles"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(40))
    content: Mapped[str] = mapped_column(Text, doc="YAML")
    digest: Mapped[str] = mapped_column(String(64), doc="SHA-256 (hex) of all that decides the result")
    reason: Mapped[str] = mapped_column(String(500), default="")
    author: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class QuarantineReview(Base):
    """What a person has decided about quarantined instances of a transfer, and why."""

    __tablename__ = "quarantine_reviews"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    transfer: Mapped[str] = mapped_column(String(36), index=True, doc="the one that quarantined them")
    project: Mapped[str] = mapped_column(String(20), index=True)
    decision: Mapped[str] = mapped_column(String(10), doc="release, repeat or drop")
    reason: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted: people write names")
    reviewer: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now)


class ReviewedInstance(Base):
    """A quarantined instance and the one review that decided about it."""

    __tablename__ = "reviewed_instances"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    review: Mapped[str] = mapped_column(String(36), index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    revision: Mapped[int]
    rule: Mapped[str] = mapped_column(String(40), doc="what had stopped it")


class AttributeMark(Base):
    """What a reviewer says of an attribute that a project's profile keeps."""

    __tablename__ = "attribute_marks"
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), primary_key=True)
    path: Mapped[str] = mapped_column(PATH, primary_key=True)
    verdict: Mapped[str] = mapped_column(String(10), doc="must-go or fine")
    reviewer: Mapped[str] = mapped_column(String(100))
    reason: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted: people write names")
    created_at: Mapped[datetime] = mapped_column(default=now)


class CouplingUpload(Base):
    """One addition to a project's coupling list: who brought it, when, and what it said."""

    __tablename__ = "coupling_uploads"
    __table_args__ = (Index("ix_coupling_uploads_project", "project", "created_at"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(String(20))
    rows: Mapped[int] = mapped_column(doc="different ones; no file name is kept: people put names into those")
    added: Mapped[int]
    prolonged: Mapped[int]
    unchanged: Mapped[int]
    expires_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


def _key(context: Any) -> str:
    """What a row is found by: the most exact that it names; its own id when it names nothing."""
    row = context.get_current_parameters()
    names = ("study_instance_uid", "accession_hash", "patient_hash", "id")
    return next(str(row[name]) for name in names if row.get(name))


class CouplingEntry(Base):
    """One row of a coupling list: a study, by its UID, accession number or PatientID, belongs to a participant.

    `key` is what it is found by, the most exact that the row names; what else it names has to agree. That it has
    `matched` is noted by the router, through shared.registry.coupling only.
    """

    __tablename__ = "coupling_entries"
    __table_args__ = (
        Index("uq_coupling_entries_key", "key", "project", unique=True),
        Index("ix_coupling_entries_counted", "project", "matched", "expires_at"),
        Index("ix_coupling_entries_listed", "project", "created_at", "id", "expires_at", "matched"),
        Index("ix_coupling_entries_event", "project", "event", "created_at", "id", "expires_at", "matched"),
        Index("ix_coupling_entries_participant", "project", "participant", "created_at", "id", "expires_at", "matched"),
        Index("ix_coupling_entries_upload", "upload", "id", "project", "expires_at", "matched"),
        IDENTITY,
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(
        String(64), default=_key, doc="StudyInstanceUID, else accession_hash, else patient_hash"
    )
    study_instance_uid: Mapped[str | None] = mapped_column(UID)
    accession_hash: Mapped[str | None] = mapped_column(String(64), doc="keyed hash, hex")
    accession_number: Mapped[bytes | None] = mapped_column(LargeBinary, doc="encrypted")
    patient_hash: Mapped[str | None] = mapped_column(
        String(64), doc="keyed hash, hex: as patients.id, or of the PatientID alone where no issuer is named"
    )
    patient_id: Mapped[bytes | None] = mapped_column(LargeBinary, doc="encrypted")
    issuer: Mapped[str | None] = mapped_column(String(64), doc="of the PatientID")
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64), default="Unknown")
    upload: Mapped[str] = mapped_column(String(36), default="", doc="the last one that named it")
    matched: Mapped[bool] = mapped_column(default=False, doc="an assignment, taken or refused, names it as its reason")
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class RoutingRule(Base):
    """Studies of these AE titles whose patient and attribute fit belong to a project.

    Every condition that is given has to hold: (called or calling AE title), (PatientID or PatientName), attribute.
    The part of the identity that fits, the id before the name, is the participant, unless the rule makes one up.
    """

    __tablename__ = "routing_rules"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"))
    position: Mapped[int] = mapped_column(default=0, doc="rules are tried in this order; the first of a project wins")
    active: Mapped[bool] = mapped_column(default=True)
    called_aet: Mapped[str | None] = mapped_column(String(64))
    calling_aet: Mapped[str | None] = mapped_column(String(64))
    patient_id: Mapped[str | None] = mapped_column(String(200), doc="regular expression, whole match")
    patient_name: Mapped[str | None] = mapped_column(String(200), doc="regular expression, whole match")
    attribute: Mapped[str | None] = mapped_column(String(250), doc="attribute path, of the first file of any series")
    attribute_value: Mapped[str | None] = mapped_column(String(200), doc="regular expression, found anywhere in it")
    auto_id: Mapped[bool] = mapped_column(default=False, doc="the participant is made up by the project's pattern")
    site: Mapped[str] = mapped_column(String(64), default="", doc="data access group of new participants")
    event: Mapped[str] = mapped_column(String(64), default="Unknown")
    created_at: Mapped[datetime] = mapped_column(default=now)


class IdempotentAnswer(Base):
    """What was answered to a request that had an Idempotency-Key; committed with what the request did."""

    __tablename__ = "idempotent_answers"
    key: Mapped[str] = mapped_column(String(64), primary_key=True, doc="keyed hash, hex: who, operation and key")
    fingerprint: Mapped[str] = mapped_column(String(64), doc="keyed hash, hex: all that was asked")
    status: Mapped[int]
    answer: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted: head and body, JSON")
    expires_at: Mapped[datetime] = mapped_column(index=True)
