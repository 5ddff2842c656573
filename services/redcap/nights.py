"""Once a night gateway and REDCap are compared, and what waits for a person is tried again."""

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from services.redcap.owed import unpark
from services.redcap.settings import RedcapSettings
from shared.moments import long_ago
from shared.settings import Settings
from shared.tables import RedcapTarget
from shared.tables.base import new_id, now

EVERY = 60.0
TOO_SOON = timedelta(hours=2)
"""After a comparison there is none for so long, so that an hour has one night."""


def is_night(moment: datetime, zone: tzinfo, hour: int) -> bool:
    """Whether clocks on the wall show that hour."""
    return moment.astimezone(zone).hour == hour


async def compare_tonight(session: AsyncSession, settings: Settings, redcap: RedcapSettings) -> None:
    """Ask for a comparison of each REDCap project that had none this night."""
    if not is_night(now(), ZoneInfo(settings.timezone), redcap.night_hour):
        return
    for target in await session.scalars(select(RedcapTarget).where(RedcapTarget.configured)):
        if target.comparison is None and (target.compared_at is None or long_ago(target.compared_at, TOO_SOON)):
            target.comparison, target.repair = new_id(), redcap.night_repair
            await unpark(session, target.project)
