"""Who takes part in projects, and how they come to their names. Written through shared.registry only (ADR 15)."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now


class Participant(Base):
    """A pseudonym that a project uses."""

    __tablename__ = "participants"
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[str] = mapped_column(String(64), default="", index=True, doc="data access group; empty: of no site")
    origin: Mapped[str] = mapped_column(
        String(10), default="", doc="person, auto, coupling or rule; empty: of a time that did not note it"
    )
    created_by: Mapped[str] = mapped_column(String(100), default="", doc="a person; empty: nobody but the gateway")
    created_at: Mapped[datetime] = mapped_column(default=now)
    withdrawn_at: Mapped[datetime | None] = mapped_column(doc="consent was withdrawn: takes no more studies")


class AutoId(Base):
    """The participant that a project has made up for a patient: the same one whenever the patient comes back."""

    __tablename__ = "auto_ids"
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    identity: Mapped[str] = mapped_column(String(64), primary_key=True, doc="keyed hash (hex) of project and patient")
    name: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class AutoIdCounter(Base):
    """The last running number that a project has given out: none is given twice, whatever was removed since."""

    __tablename__ = "auto_id_counters"
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int] = mapped_column(default=0)
