"""What could not be de-identified whole. Written by the anonymizer."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now
from shared.tables.indexer import UID


class QuarantinedInstance(Base):
    """An instance that stays here, and why; never a value of it."""

    __tablename__ = "quarantine"
    transfer: Mapped[str] = mapped_column(String(36), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    revision: Mapped[int]
    project: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(String(300))
    where: Mapped[str] = mapped_column(String(300), default="", doc="attribute path or rule")
    created_at: Mapped[datetime] = mapped_column(default=now)
