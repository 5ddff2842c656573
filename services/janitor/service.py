"""The composition of the janitor."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.janitor.engine import Engine
from services.janitor.handlers import handlers
from services.janitor.plan import Tools
from services.janitor.policies import Policies, load
from services.janitor.settings import JanitorSettings
from shared.service import Context, Service
from shared.service.composition import Resources


@asynccontextmanager
async def _open(context: Context) -> AsyncIterator[Resources]:
    """Wrong policies stop the start."""
    yield {Policies: load(JanitorSettings().policies, context.settings.published_days)}


async def _serve(context: Context, ready: Callable[[], None]) -> None:
    """Look, and ask for removals, for as long as the service runs."""
    settings = JanitorSettings()
    tools = Tools(context.database, context.store, load(settings.policies, context.settings.published_days), settings)
    ready()
    await Engine(tools, context.relay).run()


service = Service(name="janitor", handlers=handlers, open=_open, serve=_serve, uses_keys=False)
