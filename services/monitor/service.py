"""The composition of the monitor."""

from services.monitor.handlers import handlers
from services.monitor.settings import MonitorSettings
from services.monitor.watch import Watch
from shared.service import Context, Service


async def look(context: Context) -> None:
    """Until cancelled; also before the database was ever reached, for that may be what has failed."""
    await Watch(context, MonitorSettings()).run()


service = Service("monitor", handlers=handlers, beside=look)
