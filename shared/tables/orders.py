"""What people tell the janitor: to begin, to stop, to look without touching, to examine. Written by the api."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now


class JanitorOrder(Base):
    """Something that a person wants of the janitor; of `go` and `stop` the last one holds."""

    __tablename__ = "janitor_orders"
    __table_args__ = (Index("ix_janitor_orders_kind", "kind", "created_at"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(8), doc="go, stop, report, sweep, examine or heal")
    by: Mapped[str] = mapped_column(String(100), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
