"""Around every request: whether it is meant for us, how much may be sent, what no answer may lack, what is counted.

A page in somebody's browser can reach the port under a name of its own (so names that are not ours are refused: on
loopback STOW-RS needs no token) or post across sites (so that is refused, too).
"""

from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.metrics import REQUESTS, SECONDS
from services.api.problems import Problem, answer, from_exception
from services.api.settings import ApiSettings
from shared import tracing
from shared.log import logger

log = logger("api")
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
STREAMED = "/dicomweb/"
"""Below it bodies are measured by whoever streams them."""
TRACED = ("/api/", STREAMED)
LISTS = "/coupling/csv"
"""What ends so takes coupling lists, which are longer than other bodies."""


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if not scope["path"].startswith(TRACED):
            return await self._answer(scope, receive, send, tracing.OFF)
        # Whoever asks may say anything: no trace is taken over from outside.
        with tracing.span("request", tracing.NEW, kind="server") as span:
            return await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: tracing.Span) -> None:
        began = perf_counter()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            self._admit(scope)
            await self._app(scope, self._measured(scope, receive), sending)
        except Exception as error:
            problem = from_exception(error)
            if problem.kind == "internal-error":
                log.exception("request failed", route=_route(scope))
            if status:
                raise
            await answer(problem)(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(method, _route(scope), str(status)).inc()
            SECONDS.labels(_route(scope)).observe(perf_counter() - began)
            span.rename(_route(scope))
            span.set(method=method, route=_route(scope), code=status)

    def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
        if not self._settings.answers_to(name):
            raise Problem("foreign-host", "FIONA_API_PUBLIC_URL and FIONA_API_NAMES say what it is called")
        if headers.get("sec-fetch-site") == "cross-site" and not self._followed(scope, headers):
            raise Problem("cross-site")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most(scope) and not scope["path"].startswith(STREAMED):
            raise _too_large(self._most(scope))

    @staticmethod
    def _followed(scope: Scope, headers: Headers) -> bool:
        """A link that leads a person here, from a mail or a provider: the other site sees nothing of it."""
        mode, to = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
        return scope["method"] == "GET" and (mode, to) == ("navigate", "document")

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        """The body, as long as it is not too large (a chunked one says so only by being so)."""
        if scope["path"].startswith(STREAMED):
            return receive
        size, most = 0, self._most(scope)

        async def receiving() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise _too_large(most)
            return message

        return receiving

    def _most(self, scope: Scope) -> int:
        """Bytes of a body."""
        return self._settings.coupling_bytes if scope["path"].endswith(LISTS) else self._settings.body_bytes


def _too_large(most: int) -> Problem:
    return Problem("too-large", f"a body has at most {most} bytes")


def _route(scope: Scope) -> str:
    """The operation that a request was routed to."""
    return getattr(scope.get("endpoint"), "__name__", "none")
