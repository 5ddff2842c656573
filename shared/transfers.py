"""Is a transfer still wanted? Whoever works on one asks before each part, and whoever is told no leaves it be.

The state is the router's to write. It is read here in the same transaction as whatever depends on it.
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Transfer

STOPPED: Final = ("cancelled", "withdrawn")
"""Cancelled: nothing more of it is wanted; withdrawn: and what had been sent has left its destinations."""


async def wanted(session: AsyncSession, transfer: str) -> bool:
    """Whether nobody has stopped it."""
    return await session.scalar(select(Transfer.state).where(Transfer.id == transfer)) not in STOPPED
