"""Mails that are owed. Written through shared.mail by whoever has something to say; sent by the registry service."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, new_id, now


class Mail(Base):
    """A mail to one person; its text goes when it was sent."""

    __tablename__ = "mails"
    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id, doc="its Message-ID, too")
    recipient: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted")
    subject: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted")
    text: Mapped[bytes | None] = mapped_column(LargeBinary, doc="encrypted; None: sent")
    state: Mapped[str] = mapped_column(String(8), default="waiting", index=True, doc="waiting, sent or refused")
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=now, doc="in hand or resting until then")
    error: Mapped[str | None] = mapped_column(String(200), doc="of the last try; no address, no text")
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None]
