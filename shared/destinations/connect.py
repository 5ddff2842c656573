"""How a destination's configuration becomes a TLS context or an HTTP client."""

import ssl

import httpx

from shared.destinations.config import Access, Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """A client's context, TLS 1.2 or later; OSError when a file cannot be read."""
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = tls.check_hostname
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


def http_client(config: Access) -> httpx.Client:
    """A client for the URL with its credentials; OSError when a file cannot be read."""
    headers = {}
    auth = None
    if config.token_file is not None:
        headers["Authorization"] = f"Bearer {config.token_file.read_text('utf-8').strip()}"
    if config.username is not None and config.password_file is not None:
        auth = httpx.BasicAuth(config.username, config.password_file.read_text("utf-8").rstrip("\r\n"))
    return httpx.Client(
        base_url=str(config.url).rstrip("/"),
        headers=headers,
        auth=auth,
        verify=tls_context(config.tls) if config.url.scheme == "https" else True,
        timeout=config.timeout,
    )
