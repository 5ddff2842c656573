"""An association by pynetdicom, for one SOP class and a question or two (data goes by a faster way)."""

import socket

from pynetdicom import AE
from pynetdicom.association import Association

from shared.destinations.config import DicomDestination
from shared.destinations.connect import tls_context


class NoAssociation(Exception):
    """No connection, no TLS, or the peer rejected us; the text is free of PHI."""


def associate(config: DicomDestination, sop_class: str) -> Association | None:
    """Established, to be released by the caller; None when the peer takes us but does not offer that SOP class."""
    ae = AE(config.calling_aet)
    ae.connection_timeout = ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = config.timeout
    ae.add_requested_context(sop_class)
    try:
        tls = (tls_context(config.tls), config.host) if config.tls is not None else None
    except OSError as error:
        raise NoAssociation(f"TLS files: {type(error).__name__}") from error
    try:
        # pynetdicom leaves the socket of a refused connection to the garbage collector: look first.
        socket.create_connection((config.host, config.port), config.timeout).close()
    except OSError as error:
        raise NoAssociation(f"no connection: {type(error).__name__}") from error
    association = ae.associate(config.host, config.port, ae_title=config.called_aet, tls_args=tls)
    if association.is_established:
        return association
    answer = association.acceptor.primitive
    if association.is_rejected:
        raise NoAssociation(f"association rejected: {answer.reason_str}" if answer else "association rejected")
    if answer is not None and answer.result == 0:
        return None
    raise NoAssociation("no association")
