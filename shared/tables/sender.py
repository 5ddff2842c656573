"""What destinations have answered. Written by the sender."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now
from shared.tables.indexer import UID


class Delivery(Base):
    """A part of a transfer at one destination: how many were acknowledged, how many refused for good."""

    __tablename__ = "deliveries"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True, doc="of the source")
    revision: Mapped[int] = mapped_column(primary_key=True)
    parts: Mapped[int] = mapped_column(doc="parts of the whole transfer, per destination")
    destinations: Mapped[list[str]] = mapped_column(default=list)
    target_study_instance_uid: Mapped[str] = mapped_column(UID)
    target_series_instance_uid: Mapped[str | None] = mapped_column(UID, doc="None: the part has no instances")
    quarantined: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)
    delivered: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    counted: Mapped[int | None] = mapped_column(doc="found there afterwards; None: not asked yet")
    count_tries: Mapped[int] = mapped_column(default=0, doc="how often it was asked in vain")
    finished_at: Mapped[datetime] = mapped_column(default=now)


class SentInstance(Base):
    """An instance that a destination has answered for: an interrupted part resumes where it stopped."""

    __tablename__ = "sent_instances"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, doc="of the source")
    revision: Mapped[int]
    status: Mapped[int] = mapped_column(doc="DIMSE status or its equivalent, see shared.scu.statuses")
    tries: Mapped[int] = mapped_column(default=1, doc="answers so far")
    first_sent_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime] = mapped_column(default=now)


class BegunDelivery(Base):
    """Sending of a part has begun: what of it has no answer may be at the destination all the same."""

    __tablename__ = "begun_deliveries"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True, doc="of the source")
    revision: Mapped[int] = mapped_column(primary_key=True)
