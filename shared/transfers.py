"""Is a transfer still wanted? Whoever works on one asks before each part, and whoever is told no leaves it be.

And has all that is not wanted left? The states are the router's to write. They are read here in the same transaction as
whatever depends on them.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.tables import Transfer, WithdrawalPart

STOPPED: Final = ("cancelled", "withdrawn")
"""Cancelled: nothing more of it is wanted; withdrawn: and what had been sent has left its destinations."""

LEAVING: Final = ("asked", "by_hand")
"""Of a withdrawal's part: something may still be at the destination."""


async def wanted(session: AsyncSession, transfer: str) -> bool:
    """Whether nobody has stopped it."""
    return await session.scalar(select(Transfer.state).where(Transfer.id == transfer)) not in STOPPED


async def leaving(session: AsyncSession, study_uid: str, project: str) -> str | None:
    """The withdrawal of what has still to leave before something of the study may be sent in this project."""
    mine = WithdrawalPart.study_instance_uid == study_uid, WithdrawalPart.project == project
    query = select(WithdrawalPart.withdrawal).where(*mine, WithdrawalPart.state.in_(LEAVING))
    return await session.scalar(query.limit(1))


async def those_that_left(session: AsyncSession, transfers: Iterable[str]) -> list[str]:
    """Those of which nothing is to leave any more: till then it is known here what that is."""
    found = list(transfers)
    query = select(WithdrawalPart.transfer).where(WithdrawalPart.transfer.in_(found), WithdrawalPart.state.in_(LEAVING))
    still = set(await session.scalars(query))
    return [each for each in found if each not in still]
