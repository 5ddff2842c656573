"""A sender that says exactly the bytes it is told to, for peers that misbehave on purpose."""

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from struct import pack, unpack
from typing import NamedTuple, Self

from pydicom.uid import UID

from tests.components.process import LOOPBACK

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
RELEASE_RQ = b"\x05\0\0\0\0\x04\0\0\0\0"

ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RP, ABORT = 2, 3, 4, 6, 7


class Answer(NamedTuple):
    """A PDU from the peer."""

    kind: int
    body: bytes

    def element(self, number: int) -> bytes:
        """An element of group 0 of the command set in the only PDV of a P-DATA-TF."""
        assert self.kind == P_DATA
        command, position = self.body[6:], 0
        while position < len(command):
            group, element, length = unpack("<HHL", command[position : position + 8])
            if (group, element) == (0, number):
                return command[position + 8 : position + 8 + length]
            position += 8 + length
        raise KeyError(number)

    @property
    def status(self) -> int:
        """Of a DIMSE response."""
        return int(unpack("<H", self.element(0x0900))[0])


def pdu(kind: int, body: bytes) -> bytes:
    """Any PDU."""
    return pack(">BxL", kind, len(body)) + body


def pdv(payload: bytes, control: int, context: int = 1) -> bytes:
    """One presentation data value; control 1: command, 2: last."""
    return pack(">LBB", len(payload) + 2, context, control) + payload


def _text(element: int, text: str) -> bytes:
    value = text.encode() + b"\0" * (len(text) % 2)
    return pack("<HHL", 0, element, len(value)) + value


def command(field: int, sop_class: str, sop_instance: str | None = None, message: int = 1) -> bytes:
    """A request's command set: 1 C-STORE (with a dataset), 0x30 C-ECHO."""
    dataset = 0x0101 if sop_instance is None else 0x0000
    body = (
        _text(0x0002, sop_class)
        + pack("<HHLH", 0, 0x0100, 2, field)
        + pack("<HHLH", 0, 0x0110, 2, message)
        + pack("<HHLH", 0, 0x0700, 2, 0)
        + pack("<HHLH", 0, 0x0800, 2, dataset)
        + (_text(0x1000, sop_instance) if sop_instance is not None else b"")
    )
    return pack("<HHLL", 0, 0, 4, len(body)) + body


def echo(context: int = 1) -> bytes:
    """A whole C-ECHO request."""
    return pdu(P_DATA, pdv(command(0x30, VERIFICATION), 3, context))


def store(sop_class: str, sop_instance: str, dataset: bytes, size: int = 16_000, context: int = 1) -> list[bytes]:
    """A whole C-STORE request in PDUs of `size` bytes of dataset each."""
    pieces = [dataset[i : i + size] for i in range(0, len(dataset), size)] or [b""]
    return [
        pdu(P_DATA, pdv(command(1, sop_class, sop_instance), 3, context)),
        *(pdu(P_DATA, pdv(piece, 0, context)) for piece in pieces[:-1]),
        pdu(P_DATA, pdv(pieces[-1], 2, context)),
    ]


def associate(contexts: Sequence[tuple[str, Sequence[str]]], calling: str, called: str, max_pdu: int = 0) -> bytes:
    """An A-ASSOCIATE-RQ; contexts get the ids 1, 3, 5, …"""

    def item(kind: int, body: bytes) -> bytes:
        return pack(">BxH", kind, len(body)) + body

    items = item(0x10, b"1.2.840.10008.3.1.1.1")
    for number, (abstract, syntaxes) in enumerate(contexts):
        names = item(0x30, abstract.encode()) + b"".join(item(0x40, s.encode()) for s in syntaxes)
        items += item(0x20, pack("BBBB", 2 * number + 1, 0, 0, 0) + names)
    items += item(0x50, item(0x51, pack(">L", max_pdu)) + item(0x52, b"1.2.3.4"))
    return pdu(1, pack(">HH", 1, 0) + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32) + items)


class RawPeer:
    """A connection; `associated` makes one with an association for CT and Verification."""

    def __init__(self, port: int, timeout: float = 60, source: str = LOOPBACK) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def associated(
        cls,
        port: int,
        sop_classes: Sequence[str | UID] = (CT, VERIFICATION),
        syntax: str = EXPLICIT,
        calling: str = "RAW",
        called: str = "FIONA",
        max_pdu: int = 0,
    ) -> Self:
        """An established association."""
        peer = cls(port)
        peer.send(associate([(str(uid), [syntax]) for uid in sop_classes], calling, called, max_pdu))
        assert peer.receive().kind == ASSOCIATE_AC
        return peer

    def send(self, *content: bytes) -> None:
        """Bytes, each in a call of its own."""
        for each in content:
            self.socket.sendall(each)

    def trickle(self, content: bytes, size: int = 1, pause: float = 0) -> None:
        """Bytes in pieces of `size`, with a pause after each."""
        for start in range(0, len(content), size):
            self.socket.sendall(content[start : start + size])
            time.sleep(pause)

    def receive(self) -> Answer:
        """The next PDU; EOFError when the peer has closed."""
        kind, length = unpack(">BxL", self._exactly(6))
        return Answer(kind, self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            try:
                piece = self.socket.recv(count - len(content))
            except ConnectionError:
                piece = b""
            if not piece:
                raise EOFError
            content += piece
        return content

    def ends(self) -> bool:
        """Whether the peer aborts or closes, whatever it says before."""
        with suppress(EOFError):
            while True:
                if self.receive().kind == ABORT:
                    return True
        return True

    def release(self) -> Answer:
        """Release in good order; the answer."""
        self.send(RELEASE_RQ)
        return self.receive()

    def close(self) -> None:
        """Just go."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
