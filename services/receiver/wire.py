"""A socket read PDU by PDU into one buffer that is never reallocated."""

import socket
import ssl
import time
from contextlib import suppress
from struct import pack

from services.receiver.pdu import P_DATA, PDU

HEADER = PDU.size
_RECEIVE = 1 << 20
"""How much is asked of the kernel at once, beside what one PDU may take."""


class Gone(Exception):
    """The peer has closed the connection, or the network has."""


class Stalled(Exception):
    """The peer makes no progress."""


class TooLong(Exception):
    """A PDU longer than we said we take."""


def prompt(connection: socket.socket) -> None:
    """Acknowledge what was received at once: a sender with Nagle's algorithm on is waiting for it.

    The kernel forgets this after a while, so it is asked for after every receive.
    """
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def limit(connection: socket.socket, timeout: float) -> None:
    """Let receiving and sending fail (TimeoutError or BlockingIOError) when nothing moves for so long.

    The kernel keeps the time where it can: Python would poll before each call.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(timeout)
        return
    connection.settimeout(None)
    span = pack("@ll", int(timeout), int(timeout % 1 * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)


class Wire:
    """`next` looks at the next whole P-DATA-TF, `fill` receives more, `done` moves on."""

    def __init__(self, connection: socket.socket, max_pdu: int, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        # Senders that count the header in are forgiven.
        self._longest = max_pdu + HEADER
        self.buffer = bytearray(self._longest + HEADER + _RECEIVE)
        self.view = memoryview(self.buffer)
        self._begin = 0
        self._end = 0
        self._deadline = 0.0
        limit(connection, timeout)

    def next(self) -> tuple[int, int, int] | None:
        """(PDU type, where its body begins, where it ends); None until it is whole. Raises TooLong.

        Of any other PDU than P-DATA-TF the header is enough.
        """
        if self._end - self._begin < HEADER:
            return None
        kind, length = PDU.unpack_from(self.buffer, self._begin)
        start = self._begin + HEADER
        if kind == P_DATA:
            if length > self._longest:
                raise TooLong
            if start + length > self._end:
                return None
        return kind, start, start + length

    def fill(self) -> None:
        """Receive something; whatever `next` gave before is void. Raises Gone, Stalled.

        A PDU must be whole within the time-out, so trickling bytes do not hold a connection for ever.
        """
        fresh = self._begin == self._end
        if fresh:
            self._begin = self._end = 0
        elif time.monotonic() > self._deadline:
            raise Stalled
        elif self._begin and len(self.buffer) - self._begin < self._longest + HEADER:
            rest = self._end - self._begin
            self.view[:rest] = self.view[self._begin : self._end]
            self._begin, self._end = 0, rest
        try:
            received = self._connection.recv_into(self.view[self._end :])
        except (TimeoutError, BlockingIOError):
            raise Stalled from None
        except (OSError, ValueError):
            raise Gone from None
        if not received:
            raise Gone
        prompt(self._connection)
        self._end += received
        if fresh:
            self._deadline = time.monotonic() + self._timeout

    def done(self, stop: int) -> None:
        """The PDU that ends there has been dealt with."""
        self._begin = stop
        self._deadline = time.monotonic() + self._timeout

    def unread(self) -> bytes:
        """What was received and not yet dealt with."""
        return bytes(self.view[self._begin : self._end])

    def send(self, content: bytes) -> None:
        """Raises Gone, Stalled."""
        try:
            self._connection.sendall(content)
        except (TimeoutError, BlockingIOError):
            raise Stalled from None
        except (OSError, ValueError):
            raise Gone from None
