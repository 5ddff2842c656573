"""Who did, saw or was refused what, as a chain in which nothing can be changed unseen. Written by the audit service."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base
from shared.tables.indexer import UID


class AuditEntry(Base):
    """One thing that was done, seen or refused. Triggers refuse UPDATE and DELETE; `shared.audit.chain` links them."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_actor", "actor", "sequence"),
        Index("ix_audit_entries_operation", "operation", "sequence"),
        Index("ix_audit_entries_project", "project", "sequence"),
        Index("ix_audit_entries_study_instance_uid", "study_instance_uid", "sequence"),
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, doc="1, 2, 3, … without a gap"
    )
    id: Mapped[str] = mapped_column(String(36), unique=True, doc="of the record: told twice, it stands here once")
    at: Mapped[datetime] = mapped_column(index=True, doc="when it happened")
    actor: Mapped[str] = mapped_column(String(100), doc="who; empty: nobody who was recognised")
    actor_kind: Mapped[str] = mapped_column(String(16), doc="person, token or service")
    operation: Mapped[str] = mapped_column(String(64), doc="of the interface, or what the gateway did by itself")
    method: Mapped[str] = mapped_column(String(8), doc="HTTP's; empty: nobody asked")
    outcome: Mapped[str] = mapped_column(String(10), doc="done, refused, failed or unanswered")
    status: Mapped[int | None] = mapped_column(doc="HTTP's; None: nobody asked, or nobody was answered")
    address: Mapped[str] = mapped_column(String(64), doc="from where")
    project: Mapped[str | None] = mapped_column(String(20))
    study_instance_uid: Mapped[str | None] = mapped_column(UID)
    participant: Mapped[str | None] = mapped_column(String(64), index=True, doc="a project's pseudonym")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="other identifiers and counts; never PHI")
    correlation: Mapped[str] = mapped_column(String(36), doc="as in events and logs")
    previous: Mapped[str] = mapped_column(String(64), doc="the hash of the entry before")
    hash: Mapped[str] = mapped_column(String(64), doc="HMAC-SHA-256 of all of the above, hex")


class AuditCollector(Base):
    """How far a collector of audit messages has been told, and which process is telling it."""

    __tablename__ = "audit_collectors"
    name: Mapped[str] = mapped_column(String(200), primary_key=True, doc="host:port")
    sequence: Mapped[int] = mapped_column(BigInteger, default=0, doc="the last entry that it has")
    holder: Mapped[str | None] = mapped_column(String(36))
    held_until: Mapped[datetime | None]
