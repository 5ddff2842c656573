"""The monitor's own tables: what it has found, its heartbeats, and which of several monitors is at work."""

from datetime import datetime

from sqlalchemy import Float, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now


class MonitorCheck(Base):
    """How it is with one thing that is looked at, and what people have been told of it."""

    __tablename__ = "monitor_checks"
    name: Mapped[str] = mapped_column(String(16), primary_key=True, doc="what sort of thing: receiver, destination, …")
    subject: Mapped[str] = mapped_column(String(200), primary_key=True, doc="which one; empty: there is only one")
    state: Mapped[str] = mapped_column(String(8), doc="ok, warning or failing: settled, not just seen once")
    since: Mapped[datetime] = mapped_column(doc="when it became so")
    detail: Mapped[str] = mapped_column(String(300), default="", doc="in words; free of PHI")
    value: Mapped[float | None] = mapped_column(Float, doc="what was measured, if anything")
    seen: Mapped[str] = mapped_column(String(8), doc="what the last look said")
    seen_times: Mapped[int] = mapped_column(default=1, doc="and how many looks in a row")
    looked_at: Mapped[datetime] = mapped_column(default=now)
    changes: Mapped[list[str]] = mapped_column(default=list, doc="when the last looks differed from those before")
    mailed: Mapped[str] = mapped_column(String(8), default="ok", doc="the state of which mails tell")
    posted: Mapped[str] = mapped_column(String(8), default="ok", doc="the state of which the webhook was told")


class Heartbeat(Base):
    """A made-up instance on its way through the gateway, and when it has passed what."""

    __tablename__ = "heartbeats"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, doc="its StudyInstanceUID is 2.25.<this number>")
    sent_at: Mapped[datetime] = mapped_column(default=now, index=True)
    received_at: Mapped[datetime | None]
    indexed_at: Mapped[datetime | None]
    routed_at: Mapped[datetime | None]
    anonymized_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(
        String(12), default="", doc="arrived, refused, incomplete or lost; empty: under way"
    )
    detail: Mapped[str] = mapped_column(String(200), default="", doc="why it did not arrive; free of PHI")


class MonitorLease(Base):
    """Which process is the monitor; of several one, for as long as it goes on saying so."""

    __tablename__ = "monitor_leases"
    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    held_until: Mapped[datetime]
