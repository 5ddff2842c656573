"""Who a study belongs to and how far its transfers have come. Written by the router."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, String, UniqueConstraint, and_, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now
from shared.tables.indexer import UID


class Assignment(Base):
    """A study belongs to a project's participant, and why; later series follow it, until it is ended."""

    __tablename__ = "assignments"
    __table_args__ = (
        Index(
            "ix_assignments_in_force",
            "study_instance_uid",
            "project",
            unique=True,
            sqlite_where=text("refused IS NULL AND ended_at IS NULL"),
            postgresql_where=text("refused IS NULL AND ended_at IS NULL"),
        ),
        Index(
            "ix_assignments_participant",
            "project",
            "participant",
            "study_instance_uid",
            sqlite_where=text("refused IS NULL AND ended_at IS NULL"),
            postgresql_where=text("refused IS NULL AND ended_at IS NULL"),
        ),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    project: Mapped[str] = mapped_column(String(20), index=True)
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(
        String(100),
        index=True,
        doc="person, coupling <id>, rule <id>, auto <AE title>, correction <id> or derived from <UID>",
    )
    refused: Mapped[str | None] = mapped_column(String(200), doc="why it was not taken; None: it was")
    waits_for: Mapped[str | None] = mapped_column(
        String(36), index=True, doc="the withdrawal that has to be done before anything of it is sent"
    )
    created_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(36), doc="the correction that ended it")

    @hybrid_property
    def in_force(self) -> bool:
        """Whether the study belongs there now."""
        return self.refused is None and self.ended_at is None

    @in_force.inplace.expression
    @classmethod
    def _in_force(cls) -> ColumnElement[bool]:
        return and_(cls.refused.is_(None), cls.ended_at.is_(None))


class Transfer(Base):
    """One request to bring parts of a study to a project's destinations, counted all the way."""

    __tablename__ = "transfers"
    __table_args__ = (
        Index("ix_transfers_listed", "requested_at", "id"),
        Index("ix_transfers_of_project", "project", "requested_at", "id"),
        Index("ix_transfers_in_state", "state", "requested_at", "id"),
        Index("ix_transfers_counted", "state", "delivered"),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    assignment: Mapped[str] = mapped_column(ForeignKey("assignments.id"), index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    target_study_instance_uid: Mapped[str | None] = mapped_column(
        UID, index=True, doc="as its destinations know the study; None: nothing of it has been de-identified"
    )
    project: Mapped[str] = mapped_column(String(20), index=True)
    participant: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(64))
    destinations: Mapped[list[str]] = mapped_column(default=list)
    reason: Mapped[str] = mapped_column(
        String(100), doc="that of its assignment, more series, review <id> or resend <id>"
    )
    review: Mapped[str | None] = mapped_column(String(36), index=True, doc="of quarantine, that asked for it")
    correction: Mapped[str | None] = mapped_column(String(36), index=True, doc="a person's, that asked for it")
    profile: Mapped[str] = mapped_column(String(40), default="", doc="name; empty: of a time that did not note it")
    profile_version: Mapped[str] = mapped_column(String(16), default="")
    profile_digest: Mapped[str | None] = mapped_column(String(64), doc="None: the anonymizer has not said yet")
    state: Mapped[str] = mapped_column(String(16), default="requested")
    instances: Mapped[int] = mapped_column(default=0, doc="asked for")
    left_out: Mapped[int] = mapped_column(
        default=0, doc="by the profile, or sent from here before, as far as it is known"
    )
    anonymized: Mapped[int] = mapped_column(
        default=0, doc="this and the next three are sums of its parts at the destination that is least far"
    )
    quarantined: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    counted: Mapped[int] = mapped_column(default=0, doc="confirmed by a count at the destinations")
    error: Mapped[str | None] = mapped_column(String(500))
    requested_at: Mapped[datetime] = mapped_column(default=now)
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


class Withdrawal(Base):
    """What was sent is to be taken back from its destinations. Its id is that of the correction that wants it."""

    __tablename__ = "withdrawals"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), doc="correction, cancel, consent or end")
    project: Mapped[str] = mapped_column(String(20), index=True)
    participant: Mapped[str] = mapped_column(String(64))
    study_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    state: Mapped[str] = mapped_column(String(16), index=True, doc="under_way, by_hand, done or refused")
    why: Mapped[str | None] = mapped_column(String(200), doc="why it was refused")
    requested_at: Mapped[datetime] = mapped_column(default=now, index=True)
    finished_at: Mapped[datetime | None]


class WithdrawalPart(Base):
    """What a transfer has brought to one destination, and whether it has left there."""

    __tablename__ = "withdrawal_parts"
    withdrawal: Mapped[str] = mapped_column(ForeignKey("withdrawals.id"), primary_key=True)
    transfer: Mapped[str] = mapped_column(ForeignKey("transfers.id"), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(20))
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True, doc="of the source")
    state: Mapped[str] = mapped_column(String(16), default="asked", doc="asked, withdrawn, by_hand or confirmed")
    target_study_instance_uid: Mapped[str | None] = mapped_column(UID, doc="as the destination knows it")
    instances: Mapped[int] = mapped_column(default=0, doc="that were to leave")
    withdrawn: Mapped[int] = mapped_column(default=0, doc="that have left")
    why: Mapped[str | None] = mapped_column(String(300), doc="why they have not")
    answered_at: Mapped[datetime | None]


class Removal(Base):
    """What one service has removed here because a participant's consent was withdrawn."""

    __tablename__ = "removals"
    withdrawal: Mapped[str] = mapped_column(ForeignKey("withdrawals.id"), primary_key=True)
    service: Mapped[str] = mapped_column(String(20), primary_key=True)
    removed: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="what, and how much of it")
    left: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="what could not be, or is needed by others")
    answered_at: Mapped[datetime | None] = mapped_column(doc="None: it has not answered yet")
