"""The connection to a collector, which acknowledges nothing: what counts is what its host has taken, and stays up."""

import asyncio
import fcntl
import ssl
import struct
import termios
from contextlib import suppress
from typing import Self

from services.audit.settings import AuditSettings

PATIENCE = 15.0
"""Seconds for a connection, and for a batch to be taken."""


class Line:
    """An open connection; every method raises OSError when it is none any more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, settings: AuditSettings) -> Self:
        """Connect, and be sure who answers."""
        host, port = settings.address()
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port, ssl=client_context(settings), limit=2**16)
        return cls(reader, writer)

    async def send(self, frames: bytes) -> None:
        """Return when the other host has acknowledged every byte."""
        self.check()
        async with asyncio.timeout(PATIENCE):
            self._writer.write(frames)
            await self._writer.drain()
            while self._untaken():
                await asyncio.sleep(0.01)
                self.check()
        self.check()

    def check(self) -> None:
        """Raise when the other side has closed."""
        if self._reader.at_eof() or self._writer.transport.is_closing():
            raise ConnectionResetError("the collector has closed the connection")

    def _untaken(self) -> bool:
        if self._writer.transport.get_write_buffer_size():
            return True
        socket = self._writer.get_extra_info("socket")
        queued = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return bool(struct.unpack("i", queued)[0])

    async def close(self) -> None:
        """Say good-bye (RFC 5425 §4.4), if anybody listens."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._writer.wait_closed()


def client_context(settings: AuditSettings) -> ssl.SSLContext:
    """TLS 1.2 and up, the collector's certificate checked, ours shown if there is one."""
    context = ssl.create_default_context(cafile=settings.collector_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.collector_certificate is not None:
        context.load_cert_chain(settings.collector_certificate, settings.collector_key)
    return context
