"""The messages that the data path reads and writes itself, against pynetdicom's own."""

from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.dimse_messages import C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ABORT_RQ, P_DATA_TF

from services.receiver.pdu import StoreRequest, abort, parse_store_request, store_response
from tests.components.raw_peer import command

UIDS = st.from_regex(r"[1-9][0-9]{0,2}(\.(0|[1-9][0-9]{0,3})){1,11}", fullmatch=True)


def encoded(sop_class: str, sop_instance: str, message: int) -> bytes:
    """A C-STORE-RQ's command set as pynetdicom writes it."""
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = message, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = sop_class, sop_instance
    primitive.DataSet = BytesIO(b"x")
    message_ = C_STORE_RQ()
    message_.primitive_to_message(primitive)
    (first, *_) = message_.encode_msg(1, 0)
    return bytes(first.presentation_data_value_list[0][1][1:])


@given(UIDS, UIDS, st.integers(0, 65535))
@settings(max_examples=50, deadline=None)
def test_reads_what_pynetdicom_writes(sop_class: str, sop_instance: str, message: int) -> None:
    request = parse_store_request(encoded(sop_class, sop_instance, message))
    assert request == StoreRequest(message, sop_class, sop_instance)


@given(UIDS, UIDS, st.integers(0, 65535), st.sampled_from([(0, ""), (0xA700, "out of resources"), (0xC000, "odd")]))
@settings(max_examples=50, deadline=None)
def test_pynetdicom_reads_what_is_written(
    sop_class: str, sop_instance: str, message: int, status: tuple[int, str]
) -> None:
    written = store_response(7, StoreRequest(message, sop_class, sop_instance), *status)
    pdu = P_DATA_TF()
    pdu.decode(written)
    assert pdu.encode() == written
    ((context, value),) = pdu.to_primitive().presentation_data_value_list
    assert (context, value[0]) == (7, 3)
    answer = decode(BytesIO(value[1:]), True, True)
    assert answer.CommandGroupLength == len(value) - 1 - 12
    assert answer.CommandField == 0x8001
    assert (answer.MessageIDBeingRespondedTo, answer.Status) == (message, status[0])
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (sop_class, sop_instance)
    assert answer.get("ErrorComment", "") == status[1]
    rebuilt = C_STORE_RSP()
    assert rebuilt.decode_msg(pdu.to_primitive())


def test_other_requests_are_not_for_us() -> None:
    echo = C_ECHO()
    echo.MessageID = 1
    assert parse_store_request(command(0x30, "1.2.840.10008.1.1")) is None
    assert parse_store_request(command(1, "1.2")) is None
    assert parse_store_request(b"") is None
    assert parse_store_request(encoded("1.2", "1.3", 1)[:-1]) is None


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_request_or_not(content: bytes) -> None:
    assert parse_store_request(content) is None or len(content) > 50


def test_abort() -> None:
    pdu = A_ABORT_RQ()
    pdu.decode(abort(2, 2))
    assert (pdu.source, pdu.reason_diagnostic) == (2, 2)
