"""Who a study belongs to and how far its transfers have come. Written by the router."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now
from shared.tables.indexer import UID


class Assignment(Base):
    """A study belongs to a project's participant, and why; later series follow it."""

    __tablename__ = "assignments"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    project: Mapped[str] = mapped_column(String(20), index=True)
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(100), doc="person, coupling <id>, rule <id> or auto <AE title>")
    refused: Mapped[str | None] = mapped_column(String(200), doc="why it was not taken; None: in force")
    created_at: Mapped[datetime] = mapped_column(default=now)


class Transfer(Base):
    """One request to bring parts of a study to a project's destinations, counted all the way."""

    __tablename__ = "transfers"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    assignment: Mapped[str] = mapped_column(ForeignKey("assignments.id"), index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    project: Mapped[str] = mapped_column(String(20), index=True)
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    destinations: Mapped[list[str]] = mapped_column(default=list)
    reason: Mapped[str] = mapped_column(
        String(100), doc="person, coupling <id>, rule <id>, more series, review <id>, resend <id>"
    )
    review: Mapped[str | None] = mapped_column(String(36), index=True, doc="of quarantine, that asked for it")
    correction: Mapped[str | None] = mapped_column(String(36), index=True, doc="a person's, that asked for it")
    profile: Mapped[str] = mapped_column(String(40), default="", doc="name; empty: of a time that did not note it")
    profile_version: Mapped[str] = mapped_column(String(16), default="")
    profile_digest: Mapped[str | None] = mapped_column(String(64), doc="None: the anonymizer has not said yet")
    state: Mapped[str] = mapped_column(String(16), default="requested", index=True)
    instances: Mapped[int] = mapped_column(default=0, doc="asked for")
    left_out: Mapped[int] = mapped_column(default=0, doc="by the profile, as far as it is known")
    counted: Mapped[int] = mapped_column(default=0, doc="confirmed by a count at the destinations")
    error: Mapped[str | None] = mapped_column(String(500))
    requested_at: Mapped[datetime] = mapped_column(default=now, index=True)
    finished_at: Mapped[datetime | None]


class TransferPart(Base):
    """A revision of a series within a transfer, to one destination, and its counts."""

    __tablename__ = "transfer_parts"
    __table_args__ = (UniqueConstraint("transfer", "series_instance_uid", "revision", "destination"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfers.id"), index=True)
    assignment: Mapped[str] = mapped_column(String(36), index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    revision: Mapped[int]
    destination: Mapped[str] = mapped_column(String(64))
    instances: Mapped[int]
    anonymized: Mapped[int | None] = mapped_column(doc="None: not yet")
    quarantined: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int | None] = mapped_column(doc="None: not yet")
    refused: Mapped[int] = mapped_column(default=0)
