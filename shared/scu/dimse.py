"""The two command sets of a C-STORE (PS3.7 §9.3.1), implicit VR little endian."""

from struct import Struct, error

_ELEMENT = Struct("<HHI")
_US = Struct("<H")
_UL = Struct("<I")

GROUP_LENGTH, AFFECTED_SOP_CLASS_UID, COMMAND_FIELD, MESSAGE_ID = 0x0000, 0x0002, 0x0100, 0x0110
MESSAGE_ID_BEING_RESPONDED_TO, PRIORITY, DATA_SET_TYPE, STATUS = 0x0120, 0x0700, 0x0800, 0x0900
AFFECTED_SOP_INSTANCE_UID = 0x1000
C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
MEDIUM = 0x0000
WITH_DATA_SET, NO_DATA_SET = 0x0001, 0x0101


class ProtocolError(Exception):
    """The peer does not keep to PS3.7 or PS3.8."""


def _element(element: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return _ELEMENT.pack(0, element, len(value)) + value


def store_request(sop_class_uid: str, sop_instance_uid: str, message_id: int) -> bytes:
    """C-STORE-RQ of medium priority, its data set to follow."""
    body = b"".join(
        (
            _element(AFFECTED_SOP_CLASS_UID, sop_class_uid.encode("ascii")),
            _element(COMMAND_FIELD, _US.pack(C_STORE_RQ)),
            _element(MESSAGE_ID, _US.pack(message_id)),
            _element(PRIORITY, _US.pack(MEDIUM)),
            _element(DATA_SET_TYPE, _US.pack(WITH_DATA_SET)),
            _element(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid.encode("ascii")),
        )
    )
    return _element(GROUP_LENGTH, _UL.pack(len(body))) + body


def store_status(command: bytes, message_id: int) -> int:
    """The status of the C-STORE-RSP to `message_id`; ProtocolError when it is anything else."""
    values = _numbers(command)
    if values.get(COMMAND_FIELD) != C_STORE_RSP:
        raise ProtocolError("not a C-STORE response")
    if values.get(MESSAGE_ID_BEING_RESPONDED_TO) != message_id:
        raise ProtocolError("a response to another message")
    if values.get(DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET:
        raise ProtocolError("a C-STORE response with a data set")
    if STATUS not in values:
        raise ProtocolError("a response without a status")
    return values[STATUS]


def _numbers(command: bytes) -> dict[int, int]:
    """The US elements of group 0000 by element number."""
    values: dict[int, int] = {}
    at = 0
    try:
        while at < len(command):
            group, element, length = _ELEMENT.unpack_from(command, at)
            at += _ELEMENT.size + length
            if group != 0 or at > len(command):
                raise ProtocolError("not a command set")
            if length == _US.size:
                (values[element],) = _US.unpack_from(command, at - length)
    except error:
        raise ProtocolError("a command set that ends in the middle") from None
    return values
