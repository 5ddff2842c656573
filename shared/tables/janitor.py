"""What the janitor has looked at, what it has asked for, and what it has found. Written by the janitor."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now
from shared.tables.indexer import UID


class JanitorState(Base):
    """The one row that says which process is the janitor now, by which policies, and how full the disks are."""

    __tablename__ = "janitor_state"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, doc="1")
    holder: Mapped[str | None] = mapped_column(String(36))
    held_until: Mapped[datetime | None]
    policies: Mapped[dict[str, Any]] = mapped_column(default=dict)
    disks: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="by tree: capacity, used, ours; bytes")
    seen_at: Mapped[datetime] = mapped_column(default=now)


class JanitorRun(Base):
    """One walk over all policies (report, sweep), or over files and rows (examine, heal); it outlives its process."""

    __tablename__ = "janitor_runs"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(8), doc="report, sweep, examine or heal")
    order: Mapped[str | None] = mapped_column(String(36), index=True, doc="of a person; None: its time had come")
    state: Mapped[str] = mapped_column(String(8), default="running", index=True, doc="running, done or stopped")
    phase: Mapped[int] = mapped_column(default=0, doc="how many phases are behind it")
    cursor: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="how far it is in this one")
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="by phase: what was found, and why what stays")
    started_at: Mapped[datetime] = mapped_column(default=now, index=True)
    finished_at: Mapped[datetime | None]


class JanitorLine(Base):
    """One thing that may go by a policy, and what became of it."""

    __tablename__ = "janitor_lines"
    __table_args__ = (Index("ix_janitor_lines_state", "run", "state"),)
    run: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    subject: Mapped[str] = mapped_column(UID, primary_key=True, doc="StudyInstanceUID, transfer, table, part of a tree")
    state: Mapped[str] = mapped_column(String(8), doc="planned, asked, removed or kept")
    size: Mapped[int] = mapped_column(BigInteger, default=0, doc="bytes that it was thought to give back")
    removed: Mapped[dict[str, Any]] = mapped_column(default=dict, doc="what, and how much of it")
    why: Mapped[str] = mapped_column(String(200), default="", doc="why it may go, or why it stays")
    at: Mapped[datetime] = mapped_column(default=now, index=True)


class JanitorFinding(Base):
    """Files without rows, rows without files, and what else does not fit together."""

    __tablename__ = "janitor_findings"
    __table_args__ = (Index("ix_janitor_findings_sort", "run", "sort"),)
    run: Mapped[str] = mapped_column(String(36), primary_key=True)
    sort: Mapped[str] = mapped_column(String(24), primary_key=True)
    subject: Mapped[str] = mapped_column(String(250), primary_key=True, doc="store-relative path, or StudyInstanceUID")
    study_instance_uid: Mapped[str | None] = mapped_column(UID)
    number: Mapped[int] = mapped_column(default=1, doc="how many it stands for")
    meaning: Mapped[str] = mapped_column(String(300), default="", doc="what it means, for transfers first of all")
    healing: Mapped[str] = mapped_column(String(100), default="", doc="what was set going; empty: nothing")
