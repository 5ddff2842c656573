"""TLS as the settings want it (PS3.15 §B.12: BCP 195, so TLS 1.2 and up)."""

import ssl

from services.receiver.settings import ReceiverSettings


def server_context(settings: ReceiverSettings) -> ssl.SSLContext | None:
    """None without a certificate; with a CA, senders must show a certificate that it signed."""
    if settings.tls_certificate is None:
        if settings.tls_ca or settings.tls_key:
            raise ValueError("FIONA_RECEIVER_TLS_CA and _TLS_KEY mean nothing without _TLS_CERTIFICATE")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    if settings.tls_ca is not None:
        context.load_verify_locations(settings.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
