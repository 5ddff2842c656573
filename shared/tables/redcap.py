"""What REDCap is owed, where in it things were put, and what was taken from it. Written by redcap."""

from datetime import datetime

from sqlalchemy import JSON, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now
from shared.tables.indexer import UID

PROJECT = String(20)
"""A project's name; empty: Incoming, the REDCap project that belongs to all."""


class RedcapTarget(Base):
    """A REDCap project that is written to: how it is with it, and who has it in hand."""

    __tablename__ = "redcap_targets"
    project: Mapped[str] = mapped_column(PROJECT, primary_key=True)
    configured: Mapped[bool] = mapped_column(default=True, doc="whether there is a token for it")
    problem: Mapped[str | None] = mapped_column(String(500), doc="free of PHI; None: all is well as far as is known")
    failures: Mapped[int] = mapped_column(default=0, doc="in a row, of the kind that is tried again")
    due_at: Mapped[datetime | None] = mapped_column(doc="not to be asked before; None: at any time")
    holder: Mapped[str | None] = mapped_column(String(36), doc="the process that has it in hand")
    held_until: Mapped[datetime | None] = mapped_column(doc="for how long, unless it says so again")
    written_at: Mapped[datetime | None] = mapped_column(doc="the last import that it took")
    comparison: Mapped[str | None] = mapped_column(String(36), doc="the one that is asked for and not done")
    repair: Mapped[bool] = mapped_column(default=False, doc="whether what that one finds missing there is owed again")
    compared: Mapped[str | None] = mapped_column(String(36), doc="the last one that was done")
    compared_at: Mapped[datetime | None]


class RedcapOwed(Base):
    """Something of which REDCap has yet to hear how it stands; what to say is looked up when it is said."""

    __tablename__ = "redcap_owed"
    __table_args__ = (Index("ix_redcap_owed_due", "project", "due_at"),)
    project: Mapped[str] = mapped_column(PROJECT, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True, doc="study, series, transfer, imaging, participant")
    subject: Mapped[str] = mapped_column(UID, primary_key=True, doc="its UID, id or pseudonym")
    version: Mapped[int] = mapped_column(default=1, doc="counts up when it is owed again before it was paid")
    final: Mapped[bool] = mapped_column(default=False, doc="only to be said when the transfer has ended")
    due_at: Mapped[datetime | None] = mapped_column(doc="None: it waits for a person, see problem")
    problem: Mapped[str | None] = mapped_column(String(500), doc="why it waits, free of PHI")
    owed_at: Mapped[datetime] = mapped_column(default=now)


class RedcapInstance(Base):
    """Which repeating instance of an instrument says this: once given, it is never given to anything else."""

    __tablename__ = "redcap_instances"
    __table_args__ = (UniqueConstraint("project", "record", "event", "instrument", "subject"),)
    project: Mapped[str] = mapped_column(PROJECT, primary_key=True)
    record: Mapped[str] = mapped_column(UID, primary_key=True)
    event: Mapped[str] = mapped_column(String(100), primary_key=True, doc="empty in a classic project")
    instrument: Mapped[str] = mapped_column(String(100), primary_key=True)
    instance: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str] = mapped_column(UID, doc="UID of a series or study, or id of a transfer")


class RedcapResult(Base):
    """What a transfer's study is called where it was sent to: read from what was sent, never from its source."""

    __tablename__ = "redcap_results"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID)
    study_date: Mapped[str] = mapped_column(String(8), default="", doc="shifted, as sent")
    study_description: Mapped[str] = mapped_column(String(64), default="")
    accession_number: Mapped[str] = mapped_column(String(64), default="")


class RedcapTaken(Base):
    """What was last taken over from a table in REDCap, by hashes: so what people decide here is told from it."""

    __tablename__ = "redcap_taken"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True, doc="project, rule or coupling")
    key: Mapped[str] = mapped_column(String(100), primary_key=True, doc="its name or number in REDCap, or a keyed hash")
    reference: Mapped[str | None] = mapped_column(String(64), doc="what it is called here")
    fields: Mapped[dict[str, str]] = mapped_column(JSON, default=dict, doc="field: keyed hash of the value taken")
    taken_at: Mapped[datetime] = mapped_column(default=now)


class RedcapDifference(Base):
    """Something on which the gateway and REDCap disagreed when they were last compared; never a value."""

    __tablename__ = "redcap_differences"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    project: Mapped[str] = mapped_column(PROJECT, index=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(100), doc="UID, id, pseudonym or number of a record")
    side: Mapped[str] = mapped_column(String(8), doc="gateway: only here; redcap: only there; both: otherwise there")
    what: Mapped[str] = mapped_column(String(300))
    found_at: Mapped[datetime] = mapped_column(default=now)
