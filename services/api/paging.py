"""The way on from a part of a list: Link headers with `next` and `prev` (RFC 8288), beside `total` in the body.

A route says nothing of it: whatever Page it makes is noted here, and where the request has an `offset` the answer gets
the links. They repeat the query that was asked, which names nobody.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT: Final = 100
"""What is answered to whoever names no limit."""


@dataclass
class Noted:
    """The total of the last page that a request has made; None: none."""

    total: int | None = None


_noted: ContextVar[Noted | None] = ContextVar("page", default=None)


def note(total: int) -> None:
    """A page was made for whatever request this is."""
    noted = _noted.get()
    if noted is not None:
        noted.total = total


def links(path: str, query: str, total: int) -> str:
    """The value of Link; empty when there is nothing before or behind."""
    asked = parse_qsl(query, keep_blank_values=True)
    given = dict(asked)
    limit, offset = int(given.get("limit", LIMIT)), int(given.get("offset", 0))
    others = [(name, value) for name, value in asked if name not in ("limit", "offset")]
    ways = {"next": offset + limit, "prev": max(0, offset - limit)}
    there = {"next": offset + limit < total, "prev": offset > 0}
    return ", ".join(
        f'<{path}?{urlencode([*others, ("limit", limit), ("offset", start)])}>; rel="{way}"'
        for way, start in ways.items()
        if there[way]
    )


class Paging:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self._app(scope, receive, send)
        noted = Noted()
        before = _noted.set(noted)

        async def sending(message: Message) -> None:
            begins = message["type"] == "http.response.start" and message["status"] == 200
            if begins and (link := _link(scope, noted.total)):
                MutableHeaders(scope=message)["Link"] = link
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            _noted.reset(before)
        return None


def _link(scope: Scope, total: int | None) -> str:
    route = scope.get("route")
    paged = isinstance(route, APIRoute) and any(each.name == "offset" for each in route.dependant.query_params)
    return links(scope["path"], scope["query_string"].decode(), total) if paged and total is not None else ""
