"""Somebody who watches: what is still to be told, up to a bound, and why it ends."""

import asyncio
from dataclasses import dataclass
from typing import Final

from services.api.actor import Actor
from services.api.stream.news import News, may_hear

WAITING: Final = 1000
"""As many news wait for a slow reader; then the stream ends, and may be resumed."""

LASTS: Final = 300.0
"""Seconds that a stream lasts: whoever goes on watching asks again, and is asked who it is."""

GRACE: Final = 15.0
"""Seconds in which a stream that has ended is read to its end; then its connection is cut."""


@dataclass(frozen=True)
class End:
    """The last word of a stream: slow, renew, stopping, signed-out."""

    reason: str


class Watcher:
    """One stream."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._waiting: asyncio.Queue[News | End] = asyncio.Queue()
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + LASTS
        self._task = asyncio.current_task()
        self._cut: asyncio.TimerHandle | None = None

    def offer(self, news: News) -> None:
        """Tell it, if it may be heard."""
        if self._ended or not may_hear(self.actor, news):
            return
        if self._waiting.qsize() >= WAITING:
            self.end("slow")
        else:
            self._waiting.put_nowait(news)

    def end(self, reason: str) -> None:
        """Say why it ends, instead of what is still waiting."""
        if self._ended:
            return
        self._ended = True
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(End(reason))
        if self._task is not None:
            self._cut = self._loop.call_later(GRACE, self._task.cancel)

    async def next(self) -> News | End:
        """What is to be told next."""
        try:
            async with asyncio.timeout_at(self._until):
                return await self._waiting.get()
        except TimeoutError:
            return End("renew")

    def close(self) -> None:
        """It has come to its end."""
        self._ended = True
        if self._cut is not None:
            self._cut.cancel()
