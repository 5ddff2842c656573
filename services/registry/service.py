"""The composition of the registry service."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from services.registry.clock import Clock
from services.registry.mailer import Mailer, count_mails
from services.registry.settings import RegistrySettings
from shared.service import Context, Service, Tick


async def _serve(context: Context, ready: Callable[[], None]) -> None:
    """Send mails for as long as the service runs."""
    clock = Clock(zone=ZoneInfo(context.settings.timezone))
    ready()
    await Mailer(context.database, context.vault, RegistrySettings(), clock).run()


service = Service("registry", ticks=(Tick(30, count_mails),), serve=_serve)
