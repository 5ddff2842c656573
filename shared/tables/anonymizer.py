"""What could not be de-identified whole, and what is left in what could. Written by the anonymizer."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now
from shared.tables.indexer import UID

PATH = String(250)
"""The path of an attribute, e.g. `(0008,1140)>(0008,1155)`."""


class QuarantinedInstance(Base):
    """An instance that stays here, and why; never a value of it."""

    __tablename__ = "quarantine"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    revision: Mapped[int]
    project: Mapped[str] = mapped_column(String(20), index=True)
    rule: Mapped[str] = mapped_column(String(40), default="", doc="short stable name of what stopped it")
    reason: Mapped[str] = mapped_column(String(300))
    where: Mapped[str] = mapped_column(String(300), default="", doc="attribute path")
    created_at: Mapped[datetime] = mapped_column(default=now)


class KeptAttribute(Base):
    """A value that an attribute has in what a project was given, and in how many instances."""

    __tablename__ = "kept_attributes"
    project: Mapped[str] = mapped_column(String(20), primary_key=True)
    path: Mapped[str] = mapped_column(PATH, primary_key=True)
    value_hash: Mapped[str] = mapped_column(String(64), primary_key=True, doc="SHA-256 of the value; empty for NULL")
    keyword: Mapped[str] = mapped_column(String(64))
    vr: Mapped[str] = mapped_column(String(2))
    value: Mapped[str | None] = mapped_column(String(64), doc="None: not shown, or one of more than are kept apart")
    count: Mapped[int] = mapped_column(BigInteger)
    first_seen_at: Mapped[datetime] = mapped_column(default=now)
    last_seen_at: Mapped[datetime] = mapped_column(default=now)


class CountedPart(Base):
    """A part of a transfer whose values are among the kept attributes: the second time adds nothing."""

    __tablename__ = "counted_parts"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
