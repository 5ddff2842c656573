"""The catalogue: what is in the archive. Written by the indexer."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, LargeBinary, String, false
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now

UID = String(64)
IDENTITY = {"schema": "identity"}


class Association(Base):
    """What the indexer knows of an association (or STOW-RS request) that brought instances."""

    __tablename__ = "associations"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    calling_aet: Mapped[str | None] = mapped_column(String(16))
    called_aet: Mapped[str | None] = mapped_column(String(16))
    caller_ip: Mapped[str | None] = mapped_column(String(45))
    indexed: Mapped[int] = mapped_column(default=0, doc="instances of it that were indexed")
    announced: Mapped[int | None] = mapped_column(doc="instances that its AssociationClosed counted; None: open")
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None] = mapped_column(
        index=True,
        doc="closed, and all that it announced is indexed or was given up; None: it may bring more",
    )


class AssociationInstance(Base):
    """A file that an unfinished association brought: what its count is counted from, and what holds a series open."""

    __tablename__ = "association_instances"
    association: Mapped[str] = mapped_column(String(64), primary_key=True)
    path: Mapped[str] = mapped_column(String(250), primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, index=True)


class Patient(Base):
    """A patient as the senders know one: PatientID and its issuer, by keyed hash."""

    __tablename__ = "patients"
    id: Mapped[str] = mapped_column(String(64), primary_key=True, doc="keyed hash, hex")
    first_seen_at: Mapped[datetime] = mapped_column(default=now)


class PatientIdentity(Base):
    """Who a patient is: encrypted."""

    __tablename__ = "patient_identities"
    __table_args__ = IDENTITY
    id: Mapped[str] = mapped_column(String(64), primary_key=True, doc="as patients.id")
    patient_id: Mapped[bytes] = mapped_column(LargeBinary)
    patient_id_hash: Mapped[str | None] = mapped_column(
        String(64), index=True, doc="keyed hash of the PatientID alone; empty: there is none; None: of a time without"
    )
    patient_name: Mapped[bytes] = mapped_column(LargeBinary)


class Study(Base):
    """A study: DICOM's attributes of it that do not name the patient, and how far it has come."""

    __tablename__ = "studies"
    __table_args__ = (Index("ix_studies_listed", "first_seen_at", "study_instance_uid"),)
    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    patient: Mapped[str] = mapped_column(String(64), index=True, doc="patients.id")
    accession_hash: Mapped[str | None] = mapped_column(String(64), index=True, doc="keyed hash, hex")
    study_date: Mapped[str | None] = mapped_column(String(8))
    study_time: Mapped[str | None] = mapped_column(String(16))
    modalities: Mapped[list[str]] = mapped_column(default=list)
    manufacturer: Mapped[str | None] = mapped_column(String(64))
    model: Mapped[str | None] = mapped_column(String(64))
    station_name: Mapped[str | None] = mapped_column(String(16))
    calling_aet: Mapped[str | None] = mapped_column(String(16))
    called_aet: Mapped[str | None] = mapped_column(String(16))
    series_count: Mapped[int] = mapped_column(default=0)
    instance_count: Mapped[int] = mapped_column(default=0)
    conflict_count: Mapped[int] = mapped_column(default=0)
    first_seen_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)
    arrived_at: Mapped[datetime | None] = mapped_column(doc="None while any of its series has instances in flight")
    removed_at: Mapped[datetime | None] = mapped_column(
        index=True, doc="when its files left the archive by a policy; None: they are here, or some have come again"
    )

    @hybrid_property
    def is_here(self) -> bool:
        """Whether its files are in the archive."""
        return self.removed_at is None

    @is_here.inplace.expression
    @classmethod
    def _is_here(cls) -> ColumnElement[bool]:
        # Not IS NULL: SQLite takes the index for it, finds nearly all studies by it, and sorts them for the first page.
        return cls.removed_at.is_not(None).is_(false())


class StudyIdentity(Base):
    """The attributes of a study that name a person or an examination: encrypted."""

    __tablename__ = "study_identities"
    __table_args__ = IDENTITY
    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    accession_number: Mapped[bytes] = mapped_column(LargeBinary)
    details: Mapped[bytes] = mapped_column(
        LargeBinary,
        doc="JSON: PatientID, PatientName (as this study has them), StudyDescription, StudyID, InstitutionName, "
        "OperatorsName, ReferringPhysicianName, PatientBirthDate",
    )


class Series(Base):
    """A series and its arrivals: `revision` counts them, `instances` of NULL revision are still in flight."""

    __tablename__ = "series"
    __table_args__ = (Index("ix_series_open", "open_since"),)
    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_instance_uid"), index=True)
    modality: Mapped[str | None] = mapped_column(String(16))
    series_number: Mapped[str | None] = mapped_column(String(16))
    description: Mapped[str | None] = mapped_column(String(128))
    sop_class_uid: Mapped[str | None] = mapped_column(UID)
    classify_types: Mapped[list[str]] = mapped_column(default=list)
    refused_types: Mapped[list[str]] = mapped_column(
        default=list, doc="SeriesLevel types that one of its images failed: never to be added again"
    )
    expected: Mapped[int | None] = mapped_column(doc="how many instances somebody said it has; None: nobody did")
    header: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="what the series JSON says without PHI")
    instance_count: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0, doc="the last published one; 0: never arrived")
    open_since: Mapped[datetime | None] = mapped_column(doc="first instance of the revision in flight; None: arrived")
    last_instance_at: Mapped[datetime] = mapped_column(default=now)


class Instance(Base):
    """One instance in the archive."""

    __tablename__ = "instances"
    __table_args__ = (Index("ix_instances_series_revision", "series_instance_uid", "revision"),)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(ForeignKey("series.series_instance_uid"))
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    path: Mapped[str] = mapped_column(String(250), doc="relative to the store")
    size: Mapped[int] = mapped_column(BigInteger, doc="bytes")
    association: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int | None] = mapped_column(doc="the arrival that it was counted in; None: in flight")
    received_at: Mapped[datetime] = mapped_column(default=now)
    removed_at: Mapped[datetime | None] = mapped_column(doc="when its file left the archive; None: it is there")
    removed_by: Mapped[str | None] = mapped_column(String(16), doc="archive: a policy; missing: nobody knows how")


class InstanceConflict(Base):
    """Other bytes under a SOP Instance UID that is taken: kept, shown, never transferred by themselves."""

    __tablename__ = "instance_conflicts"
    path: Mapped[str] = mapped_column(String(250), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    association: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime] = mapped_column(default=now)
