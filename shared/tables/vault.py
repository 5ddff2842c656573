"""Keys that outlive the master key, sealed with it. Written by shared.keys only."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.tables.base import Base, now


class VaultKey(Base):
    """A key that must not change when the master key does."""

    __tablename__ = "vault_keys"
    purpose: Mapped[str] = mapped_column(String(32), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary, doc="encrypted")
    created_at: Mapped[datetime] = mapped_column(default=now)
