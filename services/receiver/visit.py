"""One sender's connection from accept to close: negotiation, data path, pynetdicom, end."""

import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from services.receiver.access import MALFORMED, SWITCHED_OFF, Rejection, judge_titles
from services.receiver.datapath import DataPath, Stopped, Violation, say
from services.receiver.gate import GatedSocket, hang_up
from services.receiver.metrics import ACCEPTED, CUT, LASTED, REJECTED, count
from services.receiver.settings import ReceiverSettings
from services.receiver.wire import Gone, Stalled, TooLong, Wire
from shared import journal, tracing
from shared.log import logger
from shared.switchable import Switch

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.presentation import PresentationContext

log = logger("receiver")

SMALLEST_PDU = 1024
"""A peer that takes less than one whole C-STORE-RSP is left to pynetdicom, which can split it."""

USER, PROVIDER = 0, 2
UNEXPECTED = 2
"""A-ABORT's source and reason (PS3.8 Table 9-26): unexpected PDU."""


class Visit:
    """Bound to one pynetdicom association; its methods run in that association's thread but for `stop`."""

    def __init__(
        self,
        association: "Association",
        connection: socket.socket,
        peer: Any,
        settings: ReceiverSettings,
        book: journal.Journal,
    ) -> None:
        self.association = association
        self._connection = connection
        self.peer = peer
        self._settings = settings
        self._book = book
        self._journal: journal.Association | None = None
        self._path: DataPath | None = None
        self._serving = False
        self._stopping = False
        self._trace = tracing.OFF
        self._began = time.monotonic()
        self.socket = GatedSocket(
            association, connection, settings.max_pdu, settings.network_timeout, settings.data_path
        )

    def requested(self) -> None:
        """An A-ASSOCIATE-RQ is here: reject it if its titles or its form ask for that."""
        association, settings = self.association, self._settings
        request = association.requestor.primitive
        assert request is not None  # noqa: S101  what is so here, said to mypy
        calling, called = request.calling_ae_title or "", request.called_ae_title or ""
        contexts = request.presentation_context_definition_list
        whole = all(context.abstract_syntax and context.transfer_syntax for context in contexts)
        rejection = judge_titles(
            calling, called, settings.calling_ae_titles, settings.ae_titles, settings.require_called_aet
        )
        rejection = rejection or (None if whole else MALFORMED) or self._switched_off(contexts)
        if rejection is not None:
            REJECTED.labels(rejection.why).inc()
            log.warning("association rejected", reason=rejection.why, caller_ip=self.ip)
            association.requestor.ae_title = calling
            association.acse.send_reject(rejection.result, rejection.source, rejection.reason)
            association.kill()

    def _switched_off(self, contexts: list["PresentationContext"]) -> Rejection | None:
        """While receiving is switched off only those are welcome who want to know whether we are there."""
        if all(context.abstract_syntax == Verification for context in contexts):
            return None
        return None if self._book.switches.is_on(Switch.RECEIVE) else SWITCHED_OFF

    @property
    def ip(self) -> str:
        """The sender's address."""
        info = self.association.requestor.address_info
        return info.address if info is not None else ""

    def established(self) -> None:
        """The association stands: run the data path until it ends or meets what is not for it."""
        request = self.association.requestor.primitive
        assert request is not None  # noqa: S101  what is so here, said to mypy
        calling, called = request.calling_ae_title.strip(), request.called_ae_title.strip()
        ACCEPTED.inc()
        self._trace = tracing.begin(
            "association", tracing.NEW, kind="server", calling_aet=calling, called_aet=called, caller_ip=self.ip
        )
        self._journal = self._book.association(calling, called, self.ip, self._trace.traceparent)
        self._trace.set(association=self._journal.facts.id)
        largest = self.association.requestor.maximum_length or 0
        if not self._settings.data_path or 0 < largest < SMALLEST_PDU:
            self.socket.open()
            return
        contexts = {
            context.context_id: str(context.transfer_syntax[0])
            for context in self.association.accepted_contexts
            if context.abstract_syntax != Verification and context.context_id is not None
        }
        wire = Wire(self._connection, self._settings.max_pdu, self._settings.network_timeout)
        self._path = DataPath(wire, contexts, self._journal, lambda: self._stopping)
        try:
            with self._trace.current():
                handed_back = self._path.run()
        except (Violation, TooLong) as error:
            self._cut("violation" if isinstance(error, Violation) else "too_long")
            log.warning("association aborted", reason=str(error) or "a PDU is too long", caller_ip=self.ip)
            hang_up(self._connection, PROVIDER, UNEXPECTED)
        except (Stalled, Stopped, Gone) as error:
            self._cut("stopped" if self._stopping else type(error).__name__.lower())
            if self._stopping or isinstance(error, Stalled):
                hang_up(self._connection, USER, 0)
            log.info("association cut", reason=type(error).__name__.lower(), caller_ip=self.ip)
        else:
            self._path = None
            self.association.dul._idle_timer.restart()
            self.socket.open(handed_back)
            return
        self._path = None
        self.socket.open(ended=True)

    def _cut(self, why: str) -> None:
        CUT.labels(why).inc()
        self._trace.failed(why)

    def store(self, event: "Event") -> Dataset:
        """C-STORE by pynetdicom, for what the data path does not serve: same journal, same answers."""
        assert self._journal is not None  # noqa: S101  what is so here, said to mypy
        request: Any = event.request
        self._serving = True
        with self._trace.current():
            span = tracing.begin("C-STORE", kind="server", transfer_syntax_uid=str(event.context.transfer_syntax))
        try:
            dataset = request.DataSet.getbuffer()
            started = time.perf_counter()
            outcome = self._journal.store(
                str(request.AffectedSOPClassUID),
                str(request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                [dataset],
            )
            count(outcome, len(dataset), time.perf_counter() - started)
            say(span, outcome, len(dataset))
        finally:
            self._serving = False
            span.end()
        answer = Dataset()
        answer.Status = outcome.status
        if outcome.reason:
            log.warning("refused", status=f"{outcome.status:04X}", reason=outcome.reason, why=outcome.detail)
            answer.ErrorComment = outcome.reason
        return answer

    @property
    def busy(self) -> bool:
        """Whether an instance is coming in or being stored."""
        if self._path is not None:
            return not self._path.idle
        return self._serving or self.association.dimse.message is not None

    def stop(self) -> None:
        """From another thread: end after the instance that is coming in, or now if there is none."""
        self._stopping = True
        if not self.busy:
            self.cut()

    def cut(self) -> None:
        """From another thread: end now."""
        if self._path is not None:
            with suppress(OSError):
                # The thread in the data path wakes up, finds us stopping, and sends the A-ABORT itself.
                socket.socket.shutdown(self._connection, socket.SHUT_RD)
        else:
            self.association._abort_nonblocking()

    def ended(self) -> None:
        """The association's thread is about to end, however that came: leave nothing open."""
        if self._journal is not None:
            self._trace.set(instances=self._journal.kept)
            self._journal.close()
            LASTED.observe(time.monotonic() - self._began)
        self._trace.end()
        self.socket.open(ended=True)
        self.association.dul.kill_dul()
        with suppress(OSError):
            self._connection.close()
