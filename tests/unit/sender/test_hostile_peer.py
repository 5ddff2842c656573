"""A peer that misbehaves on purpose: whatever it says, the sender calls it unavailable and goes on living."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE

from services.sender.clients import Answer, Unavailable
from services.sender.clients.dicom import DicomClient
from shared.destinations import DicomDestination
from shared.scu.frames import COMMAND, HEADER, LAST, P_DATA
from shared.scu.statuses import NO_ANSWER
from shared.store import Store
from tests.unit.sender.builders import Part
from tests.unit.sender.test_dimse import response

ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"
REJECT = b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x07"
ACCEPT = b"accept"


def accept(request: bytes) -> bytes:
    """Accept every context with the first transfer syntax."""
    asked = A_ASSOCIATE_RQ()
    asked.decode(request)
    answer: A_ASSOCIATE = asked.to_primitive()
    for context in answer.presentation_context_definition_list:
        context.result = 0
        context.transfer_syntax = [context.transfer_syntax[0]]
    answer.presentation_context_definition_results_list = answer.presentation_context_definition_list
    answer.result = 0
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(answer)
    return pdu.encode()


def pdv(command: bytes, context: int = 1, control: int = COMMAND | LAST) -> bytes:
    return HEADER.pack(P_DATA, len(command) + 6, len(command) + 2, context, control) + command


@contextmanager
def peer(*says: bytes) -> Iterator[int]:
    """A port where somebody answers each of our messages with the next of these, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    for answer in says:
                        received = connection.recv(1 << 20)
                        connection.sendall(accept(received) if answer is ACCEPT else answer)
                    # Closed with something unread, a connection takes back what was said on it.
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(30)
                    with suppress(OSError):
                        while connection.recv(1 << 20):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(60)


async def talk(port: int, part: Part) -> tuple[list[Answer], str | None]:
    client = DicomClient(DicomDestination(host="127.0.0.1", port=port, called_aet="PEER", timeout=20))
    answers: list[Answer] = []
    try:
        async for batch in client.send(part.outgoing()):
            answers += batch
    except Unavailable as error:
        return answers, str(error)
    return answers, None


@pytest.fixture
def part(store: Store) -> Part:
    return Part(store).ct(1, size=8)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ((), "closed"),
        ((b"",), "closed"),
        ((REJECT,), "rejected for good: Called AE title not recognised"),
        ((ABORT,), "aborted"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "absurd"),
        ((b"\x02\x00\x00\x00\x00\x04oops",), "says nothing"),
        ((b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",), "type 4"),
    ],
)
async def test_before_the_association(part: Part, says: Sequence[bytes], why: str) -> None:
    with peer(*says) as port:
        answers, reason = await talk(port, part)
    assert answers == []
    assert why in str(reason)


@pytest.mark.parametrize(
    "says",
    [
        ABORT,
        pdv(response(message_id=2)),
        pdv(response(message_id=1), control=0),
        pdv(response(message_id=1))[:-5],
        b"\x04\x00\x00\x00\x00\x06\xff\xff\xff\xff\x01\x03",
        b"\x04\x00\x00\x00\x00\x03abc",
        b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x04\x00\xff\xff\xff\xff",
    ],
)
async def test_instead_of_a_response(part: Part, says: bytes) -> None:
    with peer(ACCEPT, says) as port:
        answers, reason = await talk(port, part)
    assert answers == [Answer(part.instances[0].sop_instance_uid, NO_ANSWER)]
    assert reason is not None


async def test_a_response_in_pieces_is_a_response(part: Part) -> None:
    command = response(0xB000, message_id=1)
    pieces = pdv(command[:7], control=COMMAND) + pdv(command[7:20], control=COMMAND) + pdv(command[20:])
    with peer(ACCEPT, pieces) as port:
        answers, reason = await talk(port, part)
    assert [answer.status for answer in answers] == [0xB000]
    assert reason is None


async def test_a_peer_that_is_silent_is_left(part: Part) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = DicomClient(
            DicomDestination(host="127.0.0.1", port=server.getsockname()[1], called_aet="PEER", timeout=0.2)
        )
        with pytest.raises(Unavailable, match="TimeoutError"):
            await anext(client.send(part.outgoing()))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(min_size=1, max_size=60), first=st.booleans())
async def test_noise(tmp_path: Path, noise: bytes, first: bool) -> None:
    part = Part(Store(tmp_path)).ct(1, size=8)
    assert part.instances[0].sop_class_uid == CTImageStorage
    assert part.instances[0].transfer_syntax_uid == ExplicitVRLittleEndian
    with peer(*((noise,) if first else (ACCEPT, noise))) as port:
        _, reason = await talk(port, part)
    assert reason is not None
