"""When do certificates end: those that are served to us, and those that we show, where TLS is configured."""

import asyncio
import os
import socket
import ssl
import struct
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from pydantic import ValidationError
from sqlalchemy import select

from services.monitor import metrics
from services.monitor.neighbours import Api, receiver
from services.monitor.probes import Ground
from services.monitor.readings import Reading, by_limits, lasting
from services.monitor.threads import in_thread
from shared.destinations import DicomDestination, DicomWebDestination, Tls, parse_destination
from shared.tables import Destination
from shared.tables.base import now

COVERS: Final = frozenset({"certificate"})
SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
"""How a client of PostgreSQL asks for TLS."""


@dataclass(frozen=True)
class Served:
    """A server that shows a certificate; `ours` is shown to it, where it wants one."""

    host: str
    port: int
    postgres: bool = False
    ours: Tls | None = None


Place = Served | Path


async def look(ground: Ground) -> list[Reading]:
    """A reading for each; of one that cannot be asked now nothing new is known."""
    places = await _places(ground)
    seconds = ground.settings.echo_seconds
    ends = await asyncio.gather(*(in_thread(ends_at, each, seconds) for each in places.values()))
    return [_reading(ground, name, end) for name, end in zip(places, ends, strict=True)]


async def _places(ground: Ground) -> dict[str, Place]:
    """Everything that is known to have a certificate, by what it is called."""
    settings, context = ground.settings, ground.context
    found: dict[str, Place | None] = {}
    peer = receiver(settings)
    if peer.tls is not None:
        found["receiver"] = Served(peer.host, peer.port, ours=peer.tls)
    found["monitor"] = settings.certificate
    found["api"] = Api().tls_certificate
    bus = urlsplit(context.settings.bus())
    if bus.scheme == "amqps" and bus.hostname:
        told = dict(parse_qsl(bus.query))
        ours = _ours(told.get("certfile"), told.get("keyfile"))
        found["broker"] = Served(bus.hostname, bus.port or 5671, ours=ours)
        found["ours at broker"] = ours.cert_file
    url = context.database.url
    if not context.database.sqlite and url.host and url.query.get("ssl", "disable") not in ("disable", "allow"):
        ours = _ours(os.environ.get("PGSSLCERT"), os.environ.get("PGSSLKEY"))
        found["database"] = Served(url.host, url.port or 5432, postgres=True, ours=ours)
        found["ours at database"] = ours.cert_file
    found |= await _of_destinations(ground)
    for name in settings.certificates:
        host, _, port = name.rpartition(":")
        found[name] = Served(host, int(port)) if host and port.isdecimal() else Path(name)
    return {name: place for name, place in found.items() if place is not None}


def _ours(certificate: str | None, key: str | None) -> Tls:
    return Tls(cert_file=Path(certificate) if certificate else None, key_file=Path(key) if key else None)


async def _of_destinations(ground: Ground) -> dict[str, Place | None]:
    async with ground.context.database.reading() as session:
        rows = [(row.name, row.kind, row.config) for row in await session.scalars(select(Destination))]
    found: dict[str, Place | None] = {}
    for name, kind, config in rows:
        try:
            parsed = parse_destination(kind, config)
        except ValidationError:
            continue
        match parsed:
            case DicomDestination(tls=Tls() as tls):
                found[f"destination {name}"] = Served(parsed.host, parsed.port, ours=tls)
                found[f"ours at {name}"] = tls.cert_file
            case DicomWebDestination() if parsed.url.scheme == "https" and parsed.url.host:
                found[f"destination {name}"] = Served(parsed.url.host, parsed.url.port or 443, ours=parsed.tls)
                found[f"ours at {name}"] = parsed.tls.cert_file
    return found


def ends_at(place: Place, seconds: float) -> datetime | None:
    """When a certificate ends; None when it cannot be read or nobody shows one."""
    try:
        if isinstance(place, Path):
            return x509.load_pem_x509_certificate(place.read_bytes()).not_valid_after_utc
        with socket.create_connection((place.host, place.port), seconds) as connection:
            if place.postgres:
                connection.sendall(SSL_REQUEST)
                if connection.recv(1) != b"S":
                    return None
            with _trusting_anybody(place.ours).wrap_socket(connection, server_hostname=place.host) as tls:
                content = tls.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(content).not_valid_after_utc if content else None
    except (OSError, ValueError):
        return None


def _trusting_anybody(ours: Tls | None) -> ssl.SSLContext:
    """We only look at what is shown: one that has ended already is to be seen, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ours is not None and ours.cert_file is not None:
        context.load_cert_chain(ours.cert_file, ours.key_file)
    return context


def _reading(ground: Ground, name: str, end: datetime | None) -> Reading:
    if end is None:
        return Reading("certificate", name, None)
    metrics.EXPIRES.labels(name).set(end.timestamp())
    left = (end - now()).total_seconds()
    settings = ground.settings
    state = by_limits(-left, -settings.certificate_warning_days * 86400, -settings.certificate_failing_days * 86400)
    detail = f"ends in {lasting(left)}" if left > 0 else "has ended"
    return Reading("certificate", name, state, f"{detail} ({end:%Y-%m-%d})", left)
