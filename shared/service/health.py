"""Whether a process lives, is ready, and what it has counted: /livez, /readyz, /metrics."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Health:
    """The parts of a process that must be up; each reports for itself, and dependencies are asked."""

    def __init__(self) -> None:
        self.parts: dict[str, bool] = {}
        self.checks: dict[str, Callable[[], Awaitable[None]]] = {}

    def expect(self, part: str) -> Callable[[], None]:
        """Name a part that must become ready; call the answer when it is."""
        self.parts[part] = False

        def ready() -> None:
            self.parts[part] = True

        return ready

    async def report(self) -> tuple[bool, dict[str, str]]:
        """Ready or not, and each part's and dependency's word."""
        words = {part: "ready" if up else "starting" for part, up in self.parts.items()}
        for name, check in self.checks.items():
            try:
                async with asyncio.timeout(5):
                    await check()
                words[name] = "ready"
            except Exception as error:
                words[name] = f"unavailable ({type(error).__name__})"
        return all(word == "ready" for word in words.values()), words


def routes(health: Health) -> list[Route]:
    """The three pages, for a server of their own or for the api's."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(_: Request) -> Response:
        ready, words = await health.report()
        return JSONResponse({"ready": ready, "parts": words}, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)]


async def serve(health: Health, host: str, port: int) -> None:
    """The pages on a port of their own, until cancelled."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=routes(health)), host=host, port=port, log_config=None, access_log=False, lifespan="off"
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    await server._serve()
