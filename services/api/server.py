"""The server: uvicorn on a socket of ours, the journal that STOW-RS fills, and the publisher that empties it."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from services.api.app import create_app
from services.api.people.refreshing import keep_fresh
from services.api.settings import ApiSettings, is_loopback
from shared.journal import Journal, Publisher
from shared.log import logger
from shared.service import Context

log = logger("api")


class Server(uvicorn.Server):
    """uvicorn that says when it answers and leaves signals to the runner."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


async def serve(context: Context, ready: Callable[[], None]) -> None:
    """Answer until cancelled; then finish what is in hand and publish what is owed."""
    settings = ApiSettings()
    listening = bind(settings.host, settings.port)
    journal = await asyncio.to_thread(Journal, context.store, "api")
    publisher = Publisher(journal, context.bus)
    app = create_app(context, journal, settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        # Whoever is in front may say anything: the peer is who connects.
        proxy_headers=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )
    server = Server(config, ready)
    serving = asyncio.create_task(server._serve([listening]), name="http")
    publishing = asyncio.create_task(publisher.run(), name="publisher")
    refreshing = asyncio.create_task(keep_fresh(context, app.state.door), name="rights")
    host, port = listening.getsockname()[:2]
    log.info("listening", host=host, port=port, tls=settings.tls_certificate is not None)
    if not is_loopback(host) and not settings.speaks_tls:
        log.warning("passwords and names of patients go over this address without TLS", host=host, port=port)
    try:
        with suppress(asyncio.CancelledError):
            await asyncio.wait([serving, publishing], return_when=asyncio.FIRST_COMPLETED)
        app.state.feed.end("stopping")
        server.should_exit = True
        await serving
    finally:
        listening.close()
        await _paid(journal)
        for task in (publishing, refreshing):
            task.cancel()
        await asyncio.wait([publishing, refreshing])
        await asyncio.to_thread(journal.close)


async def _paid(journal: Journal, seconds: float = 5) -> None:
    """Let the publisher come to its end by itself, so that nothing is said twice; the rest stays on disk."""
    for _ in range(round(seconds / 0.05)):
        if not journal.associations():
            return
        await asyncio.sleep(0.05)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; OSError when the address is not to be had."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)
