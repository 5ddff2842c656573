"""The stream: arrivals, assignments, transfers and quarantine as they change, for the web and for `fiona watch`."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.actor import Who
from services.api.needs import Ctx
from services.api.problems import documented
from services.api.stream.feed import Feed
from services.api.stream.news import News, may_hear
from services.api.stream.watcher import End, Watcher

router = APIRouter(tags=["stream"])
AGAIN = 1000
"""Milliseconds after which a browser comes back."""

EXAMPLE = """\
event: transfer
id: 4711
data: {"id": "0b8f7c3e-53b7-4a43-8f4e-3c1d6b1f4a11", "project": "ABCD-study", "state": "sending", "delivered": 400}

"""
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The stream; it lasts up to five minutes and says why it ends",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
    }
}


def feed_of(request: Request) -> Feed:
    """The process's."""
    feed: Feed = request.app.state.feed
    return feed


@dataclass(frozen=True)
class Opened:
    """A stream, and what is told first."""

    watcher: Watcher
    latest: int
    missed: list[News] | None


async def _opened(
    request: Request,
    _: Ctx,
    who: Who,
    last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$", description="to resume after it")] = None,
) -> AsyncIterator[Opened]:
    feed = feed_of(request)
    watcher = feed.enter(who)
    try:
        yield Opened(watcher, *await feed.since(int(last_event_id) if last_event_id else None))
    finally:
        watcher.close()
        feed.leave(watcher)


@router.get(
    "/stream",
    summary="What changes, as it changes",
    response_class=EventSourceResponse,
    responses=CONTENT | documented("too-many-streams", "busy"),
)
async def watch(opened: Annotated[Opened, Depends(_opened)]) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events: `study`, `assignment`, `transfer`, `quarantine`, each as it stands now, of what one may see.

    The first is `hello`. With `Last-Event-ID` (browsers send it by themselves) what was missed follows, or `reset` when
    that is too long ago: look at everything anew. A thing may be told of twice. The last is `end` with the reason:
    `renew` (ask again, after five minutes), `slow` (what waited was dropped), `stopping`, `signed-out`.
    """
    watcher, latest = opened.watcher, str(opened.latest)
    yield ServerSentEvent(event="hello", id=None if opened.missed else latest, data={}, retry=AGAIN)
    if opened.missed is None:
        yield ServerSentEvent(event="reset", id=latest, data={})
    for news in opened.missed or ():
        if may_hear(watcher.actor, news):
            yield _event(news)
    while True:
        said = await watcher.next()
        if isinstance(said, End):
            yield ServerSentEvent(event="end", data={"reason": said.reason})
            return
        yield _event(said)


def _event(news: News) -> ServerSentEvent:
    return ServerSentEvent(event=news.sort, id=str(news.sequence), data=news.data)


def describe(schema: dict[str, Any]) -> None:
    """Leave out what OpenAPI 3.1 does not know yet: FastAPI describes streams as 3.2 does."""
    content = schema["paths"]["/api/v1/stream"]["get"]["responses"]["200"]["content"]
    content["text/event-stream"].pop("itemSchema", None)
