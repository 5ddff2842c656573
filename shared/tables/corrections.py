"""What people wish of studies, and what they want put right: who, when, and why. Written by the api."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now
from shared.tables.indexer import UID


class AssignmentWish(Base):
    """The last that a person has said of a study in a project: until the router has decided, it keeps out others."""

    __tablename__ = "assignment_wishes"
    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    assignment: Mapped[str] = mapped_column(String(36), doc="the id under which the router takes or refuses it")
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    by: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Correction(Base):
    """Something that a person wants put right. Its id is that of all that follows from it."""

    __tablename__ = "corrections"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), doc="correction, cancel, resend or consent")
    project: Mapped[str] = mapped_column(String(20), index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    participant: Mapped[str | None] = mapped_column(String(64), doc="whose it was")
    assignment: Mapped[str | None] = mapped_column(String(36), index=True, doc="what is ended")
    becomes: Mapped[str | None] = mapped_column(String(36), doc="the assignment that takes its place")
    series_instance_uid: Mapped[str | None] = mapped_column(UID)
    transfer: Mapped[str | None] = mapped_column(String(36), index=True)
    since: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(100), default="")
    reason: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted: people write names")
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)


class WithdrawalNote(Base):
    """What a person says who has removed by hand what no program could."""

    __tablename__ = "withdrawal_notes"
    withdrawal: Mapped[str] = mapped_column(String(36), primary_key=True)
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    by: Mapped[str] = mapped_column(String(100), default="")
    note: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted: people write names")
    created_at: Mapped[datetime] = mapped_column(default=now)
