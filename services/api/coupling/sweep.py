"""Every minute: entries that expired long enough ago go, some at a time."""

from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from services.api.settings import ApiSettings
from shared.tables import CouplingEntry
from shared.tables.base import now

AT_ONCE = 5000


async def sweep_coupling(session: AsyncSession, settings: ApiSettings) -> None:
    """An expired entry stays for a while, so that people see why a study was not taken."""
    until = now() - timedelta(days=settings.coupling_grace_days)
    over = select(CouplingEntry.id).where(CouplingEntry.expires_at < until).limit(AT_ONCE)
    await session.execute(
        delete(CouplingEntry).where(CouplingEntry.id.in_(over)), execution_options={"synchronize_session": False}
    )
