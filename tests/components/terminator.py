"""TLS before a server that speaks none itself, as a reverse proxy does it: bytes go through as they come."""

import asyncio
import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

from tests.components.process import LOOPBACK


class Terminator:
    """Listens on `port` with a certificate and passes on to a port of this machine."""

    def __init__(self, tls: ssl.SSLContext, to: int) -> None:
        self._tls, self._to = tls, to
        self._listening = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listening.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=self._listening, ssl=self._tls))
        self._loop.run_forever()
        waiting = asyncio.all_tasks(self._loop)
        for task in waiting:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inside, outside = await asyncio.open_connection(LOOPBACK, self._to)
        await asyncio.gather(_pass(reader, outside), _pass(inside, writer))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._listening.close()


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await source.read(1 << 16):
            target.write(content)
            await target.drain()
    with suppress(OSError, RuntimeError):
        target.close()
