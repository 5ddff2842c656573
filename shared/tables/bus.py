"""The embedded bus as a table: written by shared.bus.embedded only."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now


class BusMessage(Base):
    """One message in one queue: ready at `due_at`, in somebody's hands until then, or dead."""

    __tablename__ = "bus_messages"
    __table_args__ = (Index("ix_bus_messages_queue_dead_due_at", "queue", "dead", "due_at"),)
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    queue: Mapped[str] = mapped_column(String(200))
    message: Mapped[str] = mapped_column(String(36))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)
    dead: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None] = mapped_column(String(500))
