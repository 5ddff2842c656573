"""The listening side: pynetdicom's server with a gate on every connection."""

import logging
import socket
import ssl
import threading
import time
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, _config, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from services.receiver.access import may_connect
from services.receiver.metrics import ASSOCIATIONS, REJECTED
from services.receiver.settings import ReceiverSettings
from services.receiver.tls import server_context
from services.receiver.visit import Visit
from services.receiver.wire import limit
from shared.dicom.filemeta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from shared.journal import Journal
from shared.log import logger

log = logger("receiver")

SPARE_CONNECTIONS = 100
"""Beyond the associations that we serve: so many more get a proper A-ASSOCIATE-RJ, the rest is not accepted."""


LAST_SECONDS = 3.0
"""For the threads of associations that were cut to notice."""


class Handler(RequestHandler):
    """Turns an accepted connection into an association with a Visit."""

    def handle(self) -> None:
        """Start the association's thread; it reports its own end, however it ends."""
        server: Any = self.server
        association = self._create_association()
        visit = server.welcome(association, self.request, self.client_address)
        association.dul.socket = visit.socket
        association.dul.daemon = True
        # The socket that pynetdicom made has announced the connection already; the new one did so again.
        association.dul.event_queue.get()
        run = association.run

        def run_and_leave() -> None:
            try:
                run()
            finally:
                server.farewell(visit)

        association.run = run_and_leave  # type: ignore[method-assign]
        _guard(association)
        association.start()


def _guard(association: Any) -> None:
    """Let pynetdicom's state machine end with its association when a peer says things in an order unknown to it."""
    reactor = association.dul
    react = reactor.run_reactor

    def react_or_end() -> None:
        try:
            react()
        except Exception as error:
            log.warning("association aborted", reason="out of order", error=type(error).__name__)
            association.is_aborted, association.is_established = True, False
            association._kill = reactor._kill_thread = True

    reactor._target = react_or_end


class Server(ThreadedAssociationServer):
    """Accepts quickly: the TLS handshake and all else is done in the connection's own thread."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, ae: AE, settings: ReceiverSettings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._tls = server_context(settings)
        self._lock = threading.Lock()
        self._visits: dict[Any, Visit] = {}
        self._admitted: set[Any] = set()
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ESTABLISHED, self._established),
            (evt.EVT_C_STORE, self._store),
        ]
        super().__init__(
            ae,
            (settings.host, settings.port),
            settings.ae_titles[0],
            ae.supported_contexts,
            evt_handlers=handlers,
            request_handler=Handler,
        )

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuse strangers, and floods that would exhaust threads and descriptors, before anything is read."""
        if not may_connect(client_address[0], self._settings.networks):
            REJECTED.labels("network").inc()
            return False
        with self._lock:
            if len(self._admitted) >= self._settings.max_associations + SPARE_CONNECTIONS:
                REJECTED.labels("flood").inc()
                return False
            theirs = sum(address == client_address[0] for address, *_ in self._admitted)
            if theirs >= self._settings.max_associations_per_address:
                REJECTED.labels("address").inc()
                return False
            self._admitted.add(client_address)
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Make the connection what we want it to be, and hand it to pynetdicom."""
        try:
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            request.settimeout(self._settings.acse_timeout)
            if self._tls is not None:
                if _left(request):
                    self._let_go(request, client_address)
                    return
                request = self._tls.wrap_socket(request, server_side=True)
            limit(request, self._settings.network_timeout)
            self.finish_request(request, client_address)
        except Exception as error:
            why = "tls" if isinstance(error, ssl.SSLError) else "network"
            REJECTED.labels(why).inc()
            log.warning("connection lost", error=type(error).__name__, caller_ip=client_address[0])
            self._let_go(request, client_address)

    def _let_go(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._admitted.discard(client_address)
        self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whatever went wrong with accepting one connection, the next is welcome."""
        log.error("cannot accept", caller_ip=client_address[0])

    def welcome(self, association: Any, connection: socket.socket, peer: Any) -> Visit:
        """A connection begins."""
        visit = Visit(association, connection, peer, self._settings, self._journal)
        with self._lock:
            self._visits[association] = visit
        ASSOCIATIONS.inc()
        return visit

    def farewell(self, visit: Visit) -> None:
        """A connection ends."""
        try:
            visit.ended()
        finally:
            with self._lock:
                self._visits.pop(visit.association, None)
                self._admitted.discard(visit.peer)
            ASSOCIATIONS.dec()

    def visits(self) -> list[Visit]:
        """All open connections."""
        with self._lock:
            return list(self._visits.values())

    def _requested(self, event: evt.Event) -> None:
        self._visits[event.assoc].requested()

    def _established(self, event: evt.Event) -> None:
        self._visits[event.assoc].established()

    def _store(self, event: evt.Event) -> Dataset:
        return self._visits[event.assoc].store(event)


def _left(request: socket.socket) -> bool:
    """Whether who connected has gone without a word: a probe of Kubernetes, a load balancer that looks who is there."""
    try:
        return not request.recv(1, socket.MSG_PEEK)
    except ConnectionError:
        return True


class Receiver:
    """The server with its life: `start`, `stop`."""

    def __init__(self, settings: ReceiverSettings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._server: Server | None = None
        self._stopped = False

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None  # noqa: S101  what is so here, said to mypy
        return int(self._server.server_address[1])

    def visits(self) -> list[Visit]:
        """All open connections."""
        return self._server.visits() if self._server is not None else []

    def start(self) -> None:
        """Listen; OSError when the address is not to be had."""
        # Both are of the process: nothing else in it accepts associations.
        _config.UNRESTRICTED_STORAGE_SERVICE = True
        _config.LOG_HANDLER_LEVEL = "none"
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
        ae = AE(self._settings.ae_titles[0])
        ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.maximum_associations = self._settings.max_associations
        ae.maximum_pdu_size = self._settings.max_pdu
        ae.acse_timeout = self._settings.acse_timeout
        ae.network_timeout = self._settings.network_timeout
        ae.dimse_timeout = self._settings.network_timeout
        ae.add_supported_context(Verification, ALL_TRANSFER_SYNTAXES)
        self._server = Server(ae, self._settings, self._journal)
        ae._servers.append(self._server)
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="receiver", daemon=True).start()

    def stop(self) -> None:
        """Take no more associations; let each finish the instance that it is sending, for the grace period."""
        if self._server is None or self._stopped:
            return
        self._stopped = True
        self._server.shutdown()
        for visit in self.visits():
            visit.stop()
        if not self._gone_within(self._settings.grace):
            for visit in self.visits():
                visit.cut()
            self._gone_within(LAST_SECONDS)
        log.info("stopped listening", left=len(self.visits()))

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.visits() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.visits()
