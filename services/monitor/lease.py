"""Which of several processes is the monitor: the one that has said so last, for as long as it goes on saying it."""

from datetime import timedelta
from typing import Final

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from shared import lease
from shared.database import insert_new
from shared.tables import MonitorLease
from shared.tables.base import now

NAME: Final = "monitor"


async def claim(session: AsyncSession, holder: str, seconds: float) -> bool:
    """Whether it is ours, for so many seconds from now."""
    until = now() + timedelta(seconds=seconds)
    if await insert_new(session, MonitorLease, [{"name": NAME, "holder": holder, "held_until": until}]):
        return True
    return await lease.claim(session, MonitorLease, MonitorLease.name == NAME, holder, timedelta(seconds=seconds))


async def release(session: AsyncSession, holder: str) -> None:
    """Let another take over at once."""
    await session.execute(delete(MonitorLease).where(MonitorLease.name == NAME, MonitorLease.holder == holder))
