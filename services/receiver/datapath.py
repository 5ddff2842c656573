"""The short way for C-STORE: from an established association's socket to the journal, in one thread.

It serves C-STORE requests one after the other. Whatever else comes (release, abort, C-ECHO, an unknown
context, …) is handed back untouched, and pynetdicom serves the association from there on. What breaks the
rules of PS3.8 Annex E is aborted.
"""

import time
from collections.abc import Callable, Mapping

from services.receiver.metrics import count
from services.receiver.pdu import (
    COMMAND,
    LAST,
    P_DATA,
    PDU,
    PDV,
    StoreRequest,
    parse_store_request,
    store_response,
)
from services.receiver.wire import Wire
from shared import tracing
from shared.journal import Association, Draft, Outcome, Refusal
from shared.journal.outcome import refused
from shared.log import logger

log = logger("receiver")

LONGEST_COMMAND = 65_536


class Violation(Exception):
    """The peer does not keep to the protocol; says how."""


class Stopped(Exception):
    """We are going down, and the instance that was coming in has been answered."""


class DataPath:
    """`run` returns what pynetdicom has to read first; it raises Gone, Stalled, TooLong, Violation, Stopped."""

    def __init__(
        self,
        wire: Wire,
        contexts: Mapping[int, str],
        association: Association,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._wire = wire
        self._contexts = contexts
        self._association = association
        self._stopping = stopping
        self._context = 0
        self._command = bytearray()
        self._held = b""
        self._request: StoreRequest | None = None
        self._draft: Draft | None = None
        self._fragments: list[memoryview] = []
        self._received = 0
        self._span = tracing.OFF

    @property
    def idle(self) -> bool:
        """Whether it is between two messages."""
        return self._request is None and not self._command

    def run(self) -> bytes:
        """Serve C-STORE requests for as long as nothing else comes."""
        wire = self._wire
        try:
            while True:
                pdu = wire.next()
                if pdu is None:
                    self._flush()
                    wire.fill()
                    continue
                kind, start, stop = pdu
                if kind != P_DATA:
                    return self._held + wire.unread()
                handed_back = self._serve(start, stop)
                if handed_back is not None:
                    wire.done(stop)
                    return self._held + handed_back + wire.unread()
                wire.done(stop)
        finally:
            if self._draft is not None:
                self._fragments.clear()
                self._draft.discard()
                self._span.failed("interrupted")
                self._span.end()

    def _serve(self, start: int, stop: int) -> bytes | None:
        """Deal with the PDVs of one P-DATA-TF; what it gives back is for pynetdicom, as a P-DATA-TF."""
        buffer, view = self._wire.buffer, self._wire.view
        message = position = start
        while position < stop:
            if stop - position < PDV.size:
                raise Violation("a PDV's header is cut")
            length, context, control = PDV.unpack_from(buffer, position)
            payload, position = position + PDV.size, position + 4 + length
            if length < 2 or position > stop:
                raise Violation("a PDV does not fit its PDU")
            if not control & COMMAND:
                if self._request is None or context != self._context:
                    raise Violation("a dataset fragment without its command")
                self._fragments.append(view[payload:position])
                self._received += position - payload
                if control & LAST:
                    self._finish()
                    message = position
                continue
            if self._request is not None or (self._command and context != self._context):
                raise Violation("a command inside another message")
            self._context = context
            self._command += view[payload:position]
            if len(self._command) > LONGEST_COMMAND:
                raise Violation("an endless command")
            if control & LAST:
                request = parse_store_request(self._command)
                if request is None or context not in self._contexts:
                    return PDU.pack(P_DATA, stop - message) + view[message:stop]
                self._begin(request)
        if start == stop:
            raise Violation("a P-DATA-TF without any PDV")
        if self._command:
            self._hold(PDU.pack(P_DATA, stop - message) + view[message:stop])
        return None

    def _hold(self, pdu: bytes) -> None:
        """Remember a command that goes on in the next PDU, in case it is not for us."""
        self._held += pdu
        if len(self._held) > 4 * LONGEST_COMMAND:
            raise Violation("an endless command")

    def _begin(self, request: StoreRequest) -> None:
        self._request = request
        self._command.clear()
        self._held = b""
        self._received = 0
        syntax = self._contexts[self._context]
        self._span = tracing.begin("C-STORE", kind="server", transfer_syntax_uid=syntax)
        self._draft = self._association.begin(request.sop_class_uid, request.sop_instance_uid, syntax)

    def _flush(self) -> None:
        """Write out the fragments before their place in the buffer is used again."""
        if self._fragments and self._draft is not None:
            self._draft.write(self._fragments)
            self._fragments.clear()

    def _finish(self) -> None:
        """The dataset is all here: keep it, then say so."""
        assert self._request is not None  # noqa: S101  what is so here, said to mypy
        assert self._draft is not None  # noqa: S101  what is so here, said to mypy
        started = time.perf_counter()
        try:
            self._flush()
            outcome = self._draft.commit()
        except Exception as error:
            log.error("cannot store", error=type(error).__name__)
            self._draft.discard()
            outcome = refused(Refusal.PROCESSING_FAILURE)
        count(outcome, self._received, time.perf_counter() - started)
        say(self._span, outcome, self._received)
        self._span.end()
        if outcome.refusal is not None:
            log.warning(
                "refused",
                status=f"{outcome.status:04X}",
                reason=outcome.reason,
                why=outcome.detail,
                association=self._association.facts.id,
            )
        self._draft = None
        self._wire.send(store_response(self._context, self._request, outcome.status, outcome.reason))
        self._request = None
        if self._stopping():
            raise Stopped
        self._association.prepare()


def say(span: tracing.Span, outcome: Outcome, size: int) -> None:
    """What became of an instance. UIDs only of what was kept: those of a refused one may be anything."""
    span.set(outcome=outcome.kind, status=f"{outcome.status:04X}", bytes=size)
    if outcome.record is not None:
        span.set(
            study_instance_uid=outcome.record.study_instance_uid,
            series_instance_uid=outcome.record.series_instance_uid,
            sop_instance_uid=outcome.record.sop_instance_uid,
            sop_class_uid=outcome.record.sop_class_uid,
        )
    if outcome.refusal is not None:
        span.failed(outcome.reason)
