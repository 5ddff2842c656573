"""A storage association that we ask for, on a blocking socket of our own.

pynetdicom encodes and decodes the negotiation; the data goes by our own short path, since its polling
reactor costs more than the sending itself. Nothing here knows asyncio: it runs in a thread.
"""

import socket
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Self

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext

from shared.destinations import DicomDestination
from shared.destinations.connect import tls_context
from shared.scu import Unavailable
from shared.scu.dimse import ProtocolError, store_request, store_status
from shared.scu.frames import COMMAND, LAST, P_DATA, Frames

_PDU = Struct(">BxI")
_PDV = Struct(">IBB")
ACCEPT, REJECT, RELEASE_RQ, RELEASE_RP, ABORT = 0x02, 0x03, 0x05, 0x06, 0x07
OUR_MAX_PDU = 16384
LONGEST_PDU = 1 << 20
"""No answer that we wait for is longer, whatever its header claims."""
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PERMANENT = 1


class StoreAssociation:
    """Established when made by `request`; used by one thread at a time; every method raises Unavailable."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader = connection.makefile("rb", buffering=8192)
        self._frames = Frames(0)
        self._message_id = 0
        self.accepted: dict[tuple[str, str], int] = {}

    @classmethod
    def request(cls, config: DicomDestination, contexts: Sequence[PresentationContext]) -> Self:
        """Connect, with TLS where configured, and negotiate."""
        association = cls(_connect(config))
        try:
            association._negotiate(config, contexts)
        except BaseException:
            association.abort()
            raise
        return association

    def store(self, context: int, sop_class: str, sop_instance: str, file: int, start: int, end: int) -> int:
        """C-STORE of the dataset in bytes `start` to `end` of the descriptor `file`; the peer's status."""
        self._message_id = self._message_id % 0xFFFF + 1
        command = store_request(sop_class, sop_instance, self._message_id)
        for piece in self._frames.pieces(context, command, file, start, end):
            try:
                self._socket.sendall(piece)
            except OSError as error:
                raise Unavailable(f"connection lost: {type(error).__name__}") from error
        return self._response(context)

    def release(self) -> None:
        """A-RELEASE, politely but without insisting: all answers are in."""
        with suppress(Unavailable, OSError):
            self._socket.sendall(_PDU.pack(RELEASE_RQ, 4) + bytes(4))
            self._read()
        self.close()

    def abort(self) -> None:
        """A-ABORT by the service user; wakes a thread that waits for the peer."""
        with suppress(OSError):
            self._socket.settimeout(0.1)
            self._socket.sendall(_PDU.pack(ABORT, 4) + bytes(4))
        self.close()

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            self._reader.close()
        self._socket.close()

    def _negotiate(self, config: DicomDestination, contexts: Sequence[PresentationContext]) -> None:
        request = A_ASSOCIATE_RQ()
        request.from_primitive(_primitive(config, contexts))
        try:
            self._socket.sendall(request.encode())
        except OSError as error:
            raise Unavailable(f"connection lost: {type(error).__name__}") from error
        kind, header, body = self._read()
        if kind == REJECT:
            rejection = A_ASSOCIATE_RJ()
            rejection.decode(header + body)
            how = "for good" if rejection.result == PERMANENT else "for now"
            raise Unavailable(f"association rejected {how}: {rejection.reason_str}")
        if kind != ACCEPT:
            raise Unavailable(f"PDU of type {kind} instead of an association")
        acceptance = A_ASSOCIATE_AC()
        try:
            acceptance.decode(header + body)
            answer = acceptance.to_primitive()
        except Exception as error:  # pynetdicom's decoder meets hostile bytes with any exception
            raise Unavailable("an A-ASSOCIATE-AC that cannot be read") from error
        results = answer.presentation_context_definition_results_list
        if not results:
            raise Unavailable("an A-ASSOCIATE-AC that says nothing of the contexts")
        asked = {context.context_id: context for context in contexts}
        for given in results:
            context = asked.get(given.context_id)
            if given.result == 0 and context is not None and context.context_id and given.transfer_syntax:
                pair = str(context.abstract_syntax), str(given.transfer_syntax[0])
                self.accepted[pair] = context.context_id
        self._frames = Frames(answer.maximum_length_received or 0)

    def _response(self, context: int) -> int:
        command = b""
        while True:
            kind, _, body = self._read()
            if kind != P_DATA:
                raise Unavailable(f"PDU of type {kind} instead of a response")
            at = 0
            while at + _PDV.size <= len(body):
                length, _context, control = _PDV.unpack_from(body, at)
                if length < 2 or at + 4 + length > len(body) or not control & COMMAND:
                    raise Unavailable("a P-DATA-TF that cannot be read")
                command += body[at + _PDV.size : at + 4 + length]
                at += 4 + length
                if control & LAST:
                    try:
                        return store_status(command, self._message_id)
                    except ProtocolError as error:
                        raise Unavailable(str(error)) from error
            if at != len(body) or len(command) > LONGEST_PDU:
                raise Unavailable("a P-DATA-TF that cannot be read")

    def _read(self) -> tuple[int, bytes, bytes]:
        """The next PDU: its type, header and body; A-ABORT and a closed connection are Unavailable."""
        try:
            self._acknowledge()
            header = self._reader.read(_PDU.size)
            if len(header) < _PDU.size:
                raise Unavailable("connection closed by the peer")
            kind, length = _PDU.unpack(header)
            if length > LONGEST_PDU:
                raise Unavailable("a PDU of absurd length")
            self._acknowledge()
            body = self._reader.read(length)
        except (OSError, ValueError) as error:
            raise Unavailable(f"no answer: {type(error).__name__}") from error
        if len(body) < length:
            raise Unavailable("connection closed by the peer")
        if kind == ABORT:
            raise Unavailable("association aborted by the peer")
        return kind, header, body

    def _acknowledge(self) -> None:
        """A peer with Nagle's algorithm on holds the rest of its answer until we have acknowledged the start."""
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _connect(config: DicomDestination) -> socket.socket:
    try:
        connection = socket.create_connection((config.host, config.port), timeout=config.timeout)
    except OSError as error:
        raise Unavailable(f"no connection: {type(error).__name__}") from error
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if config.tls is not None:
            connection = tls_context(config.tls).wrap_socket(connection, server_hostname=config.host)
    except OSError as error:
        connection.close()
        raise Unavailable(f"no TLS: {type(error).__name__}") from error
    return connection


def _primitive(config: DicomDestination, contexts: Sequence[PresentationContext]) -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = APPLICATION_CONTEXT
    primitive.calling_ae_title = config.calling_aet
    primitive.called_ae_title = config.called_aet
    primitive.presentation_context_definition_list = list(contexts)
    length = MaximumLengthNotification()
    length.maximum_length_received = OUR_MAX_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = PYNETDICOM_IMPLEMENTATION_VERSION
    primitive.user_information = [length, implementation, version]
    return primitive
