"""Our command sets against pynetdicom's, and hostile ones against ours."""

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom.dsutils import decode, encode

from shared.scu.dimse import ProtocolError, store_request, store_status


def response(status: int = 0, message_id: int = 7, **changes: int | str) -> bytes:
    command = Dataset()
    command.CommandGroupLength = 0
    command.AffectedSOPClassUID = CTImageStorage
    command.CommandField = 0x8001
    command.MessageIDBeingRespondedTo = message_id
    command.CommandDataSetType = 0x0101
    command.Status = status
    command.AffectedSOPInstanceUID = "1.2.3"
    for keyword, value in changes.items():
        setattr(command, keyword, value)
    encoded = encode(command, is_implicit_vr=True, is_little_endian=True)
    assert encoded is not None
    return encoded


def test_the_request_is_what_pynetdicom_reads() -> None:
    command = decode(BytesIO(store_request(CTImageStorage, "1.2.3", 300)), True, True)
    assert command.CommandField == 1
    assert command.MessageID == 300
    assert command.AffectedSOPClassUID == CTImageStorage
    assert command.AffectedSOPInstanceUID == "1.2.3"
    assert command.CommandDataSetType != 0x0101
    length = len(store_request(CTImageStorage, "1.2.3", 300))
    assert command.CommandGroupLength == length - 12


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xA700, 0xC001, 0x0122])
def test_reads_the_status(status: int) -> None:
    assert store_status(response(status, ErrorComment="some words"), 7) == status


@pytest.mark.parametrize(
    "command",
    [
        response(message_id=8),
        response(CommandField=0x8030),
        response(CommandDataSetType=1),
        response()[:-3],
        b"",
        b"\x08\x00" + response()[2:],
    ],
)
def test_anything_else_is_a_protocol_error(command: bytes) -> None:
    with pytest.raises(ProtocolError):
        store_status(command, 7)


@given(st.binary(max_size=200))
def test_noise_is_a_protocol_error(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        store_status(noise, 7)


@given(position=st.integers(0, len(response()) - 1), value=st.integers(0, 255))
def test_one_wrong_byte_is_a_status_or_a_protocol_error(position: int, value: int) -> None:
    command = bytearray(response())
    command[position] = value
    with suppress(ProtocolError):
        assert 0 <= store_status(bytes(command), 7) <= 0xFFFF
