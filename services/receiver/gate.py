"""pynetdicom's socket with a gate in it: while the data path has the connection, the reactor sees nothing.

The gate shuts at the A-ASSOCIATE-AC, in the thread that sends it, so the reactor cannot snatch the first
P-DATA-TF. When it opens, the reactor reads first what the data path hands back. Open or not, it also keeps
pynetdicom from waiting for ever for the rest of a PDU, and from believing in a PDU of four gigabytes.
"""

import select
import socket
import time
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any

from pynetdicom.transport import AssociationSocket

from services.receiver.pdu import P_DATA, PDU, abort
from services.receiver.wire import prompt

if TYPE_CHECKING:
    from pynetdicom.association import Association

A_ASSOCIATE_RQ, A_ASSOCIATE_AC = 0x01, 0x02
LONGEST = {A_ASSOCIATE_RQ: 1 << 20, A_ASSOCIATE_AC: 1 << 20}
"""Negotiation takes what it takes: 128 presentation contexts with all transfer syntaxes are some 200 kB."""
LONGEST_CONTROL = 1024
NO_PDU = 0xFF
"""No PDU has this type: pynetdicom aborts as PS3.8 §9.2 wants it for an unrecognized PDU."""
LINGER = 1.0


class GatedSocket(AssociationSocket):
    """`shut`s by itself if wanted; `open` gives the connection (back) to pynetdicom."""

    def __init__(
        self, association: "Association", connection: socket.socket, max_pdu: int, timeout: float, gated: bool
    ) -> None:
        super().__init__(association, client_socket=connection)
        self._connection = connection
        self._max_pdu = max_pdu
        self._timeout = timeout
        self._gated = gated
        self._opened = Event()
        self._opened.set()
        self._handed_back = bytearray()
        self._ended = False
        self._in_body = False
        self._seen = False

    def send(self, bytestream: bytes) -> None:
        """As pynetdicom's; the gate shuts with the A-ASSOCIATE-AC."""
        if self._gated and bytestream[:1] == bytes((A_ASSOCIATE_AC,)):
            self._opened.clear()
        super().send(bytestream)

    def open(self, handed_back: bytes = b"", ended: bool = False) -> None:
        """Let the reactor read: first what is handed back, or (ended) that the connection is closed."""
        self._handed_back += handed_back
        self._ended = self._ended or ended
        self._gated = False
        self._opened.set()

    @property
    def ready(self) -> bool:
        """Whether there is something to read; waits at a shut gate (the reactor would only spin)."""
        if not self._opened.wait(1.0):
            return False
        if self._ended:
            self._ended = False
            self.event_queue.put("Evt17")
            return False
        if self._handed_back:
            return True
        if self.socket is None or not self._is_connected:
            return False
        try:
            poll = select.poll()
            poll.register(self._connection, select.POLLIN)
            pending = getattr(self._connection, "pending", None)
            return bool(poll.poll(0)) or bool(pending and pending())
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """A PDU's header or the rest of it, whole within the time-out (else TimeoutError)."""
        deadline = time.monotonic() + self._timeout
        content = bytearray(nr_bytes)
        have = min(nr_bytes, len(self._handed_back))
        content[:have] = self._handed_back[:have]
        del self._handed_back[:have]
        view = memoryview(content)
        while have < nr_bytes:
            if time.monotonic() > deadline:
                raise TimeoutError
            received = self._connection.recv_into(view[have:])
            if not received:
                if not have and not self._seen:
                    # Gone before it has said anything: nobody need wait for its A-ASSOCIATE-RQ.
                    nobody: Any = None  # pynetdicom's own word for it, which its annotations do not know
                    self.assoc.dul.to_user_queue.put(nobody)
                return content[:have]
            self._seen = True
            have += received
            prompt(self._connection)
        self._in_body = not self._in_body
        if self._in_body and nr_bytes == PDU.size:
            self._check(content)
        return content

    def _check(self, header: bytearray) -> None:
        """Turn the header of a PDU that is too long into one that is refused."""
        kind, length = PDU.unpack(header)
        longest = LONGEST.get(kind, LONGEST_CONTROL) if kind != P_DATA else self._max_pdu + PDU.size
        if length > longest:
            header[0] = NO_PDU
            self._in_body = False


def hang_up(connection: socket.socket, source: int, reason: int) -> None:
    """Send A-ABORT and close such that the peer can read it: what it still sends is read and dropped."""
    with suppress(OSError, ValueError):
        connection.settimeout(LINGER)
        connection.sendall(abort(source, reason))
        socket.socket.shutdown(connection, socket.SHUT_WR)
        deadline = time.monotonic() + LINGER
        while connection.recv(1 << 16) and time.monotonic() < deadline:
            pass
    with suppress(OSError):
        connection.close()
