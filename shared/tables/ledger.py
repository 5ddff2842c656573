"""Inbox, outbox, what was published, changes, traces: each service its own rows, through shared.ledger only."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now


class InboxEntry(Base):
    """A message that a subscription has handled: the second delivery finds it and does nothing."""

    __tablename__ = "inbox"
    queue: Mapped[str] = mapped_column(String(200), primary_key=True)
    message: Mapped[str] = mapped_column(String(36), primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(default=now, index=True)


class OutboxEntry(Base):
    """An event that is committed but not yet on the bus."""

    __tablename__ = "outbox"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    message: Mapped[str] = mapped_column(String(36), unique=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)
    claimed_until: Mapped[datetime | None] = mapped_column(doc="a relay has it in hand until then")


class PublishedMessage(Base):
    """A message that the bus has confirmed: kept for some days, in case the broker loses what it had confirmed."""

    __tablename__ = "published"
    __table_args__ = (Index("ix_published_named", "name", "published_at"),)
    message: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), doc="the event's name")
    content: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime] = mapped_column(default=now, index=True)


class Change(Base):
    """Something that people look at has changed: which, not what of it; kept for a day."""

    __tablename__ = "changes"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  no number is given twice, whatever was deleted
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    sort: Mapped[str] = mapped_column(String(16), doc="study, assignment, transfer or quarantine")
    subject: Mapped[str] = mapped_column(String(64), doc="StudyInstanceUID, or the transfer's id")
    at: Mapped[datetime] = mapped_column(default=now, index=True)


class Trace(Base):
    """In which trace a study or a series came, so that what is decided about it later goes on in the same."""

    __tablename__ = "traces"
    subject: Mapped[str] = mapped_column(String(64), primary_key=True, doc="StudyInstanceUID or SeriesInstanceUID")
    traceparent: Mapped[str] = mapped_column(String(55))
    at: Mapped[datetime] = mapped_column(default=now, index=True)
