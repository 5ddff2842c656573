"""The few messages that the data path reads and writes itself: P-DATA-TF with C-STORE, and A-ABORT."""

from struct import Struct, error, pack
from typing import NamedTuple

P_DATA = 0x04
COMMAND, LAST = 1, 2
"""Bits of the Message Control Header (PS3.8 §E.2)."""

PDU = Struct(">BxL")
PDV = Struct(">LBB")
_ELEMENT = Struct("<HHL")
_US = Struct("<H")

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
NO_DATASET = 0x0101

ABORT = b"\x07\0\0\0\0\x04\0\0"
"""A-ABORT (PS3.8 §9.3.8) but for its source and reason."""


class StoreRequest(NamedTuple):
    """What of a C-STORE-RQ (PS3.7 §9.3.1.1) is needed to serve it."""

    message_id: int
    sop_class_uid: str
    sop_instance_uid: str


def parse_store_request(command: bytes | bytearray) -> StoreRequest | None:
    """A command set (always Implicit VR Little Endian) if it is a C-STORE-RQ with a dataset, else None."""
    values: dict[int, bytes] = {}
    position = 0
    try:
        while position < len(command):
            group, element, length = _ELEMENT.unpack_from(command, position)
            position += 8 + length
            if group != 0 or position > len(command):
                return None
            values[element] = bytes(command[position - length : position])
        (field,), (message_id,), (dataset,) = (_US.unpack(values[e]) for e in (0x0100, 0x0110, 0x0800))
        if field != C_STORE_RQ or dataset == NO_DATASET:
            return None
        sop_class, sop_instance = (values[e].strip(b"\0 ").decode("ascii") for e in (0x0002, 0x1000))
    except (error, KeyError, UnicodeDecodeError):
        return None
    return StoreRequest(message_id, sop_class, sop_instance)


def store_response(context: int, request: StoreRequest, status: int, comment: str = "") -> bytes:
    """A C-STORE-RSP (PS3.7 §9.3.1.2) as one P-DATA-TF; UIDs are repeated as the sender wrote them."""
    elements = [
        _text(0x0002, request.sop_class_uid, b"\0"),
        pack("<HHLH", 0, 0x0100, 2, C_STORE_RSP),
        pack("<HHLH", 0, 0x0120, 2, request.message_id),
        pack("<HHLH", 0, 0x0800, 2, NO_DATASET),
        pack("<HHLH", 0, 0x0900, 2, status),
        _text(0x0902, comment[:64], b" ") if comment else b"",
        _text(0x1000, request.sop_instance_uid, b"\0"),
    ]
    body = b"".join(elements)
    command = pack("<HHLL", 0, 0, 4, len(body)) + body
    return PDU.pack(P_DATA, len(command) + 6) + PDV.pack(len(command) + 2, context, COMMAND | LAST) + command


def _text(element: int, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    value += padding * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(value)) + value


def abort(source: int, reason: int) -> bytes:
    """An A-ABORT: source 0 is the service user, 2 the provider (then the reason counts)."""
    return ABORT + bytes((source, reason))
