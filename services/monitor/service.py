"""The composition of the monitor."""

from collections.abc import Callable

from services.monitor.handlers import handlers
from services.monitor.settings import MonitorSettings
from services.monitor.watch import Watch
from shared.service import Context, Service


async def serve(context: Context, ready: Callable[[], None]) -> None:
    """Look, until cancelled; also while the database is away."""
    watch = Watch(context, MonitorSettings())
    ready()
    await watch.run()


service = Service("monitor", handlers=handlers, serve=serve)
