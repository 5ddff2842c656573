"""The composition of the service; without an address of REDCap it takes note of nothing and says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from zoneinfo import ZoneInfo

from services.redcap import nights
from services.redcap.client import Pace, open_http
from services.redcap.handlers import handlers
from services.redcap.mapping import load_mapping
from services.redcap.rounds import Rounds
from services.redcap.settings import RedcapSettings
from services.redcap.takeover.gateway import Gateway, open_gateway
from services.redcap.takeover.reading import Reader
from services.redcap.takeover.taken_over import Takeover
from services.redcap.targets import Targets
from services.redcap.tokens import Tokens
from services.redcap.writing.gathering import Gatherer
from services.redcap.writing.writer import Writer
from shared.log import logger
from shared.service import Context, Service, Tick
from shared.service.composition import Resources

log = logger("redcap")


@asynccontextmanager
async def _open(context: Context) -> AsyncIterator[Resources]:
    settings = RedcapSettings()
    yield {RedcapSettings: settings, Tokens: Tokens(settings)}


async def _serve(context: Context, ready: Callable[[], None]) -> None:
    settings = RedcapSettings()
    targets = Targets(context.database, settings.lease_seconds, settings.read_minutes * 60)
    if settings.url is None:
        log.info("no REDCap is configured: idle")
        await targets.settle([])
        ready()
        await asyncio.Event().wait()
    mapping = load_mapping(settings.mapping)
    tokens = Tokens(settings)
    zone = ZoneInfo(context.settings.timezone)
    async with open_http(settings) as http, open_gateway(settings) as api:
        gatherer = Gatherer(context.store, context.vault, zone, mapping)
        pace = Pace(settings.calls_per_minute)
        writer = Writer(context.database, gatherer, settings, tokens, http, pace)
        takeover = partial(Takeover, context.database, context.vault, Gateway(api), mapping)
        reader = Reader(settings, http, pace, mapping, takeover)
        ready()
        await Rounds(context.database, targets, tokens, writer, reader, settings).run()


service = Service(
    name="redcap",
    handlers=handlers,
    ticks=(Tick(nights.EVERY, nights.compare_tonight),),
    open=_open,
    serve=_serve,
    prefetch=4,
)
