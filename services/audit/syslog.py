"""An audit message as syslog over TLS wants it: RFC 5424 in the frames of RFC 5425, by PS3.15 A.6."""

import os
import re
import socket
from datetime import UTC
from functools import cache
from typing import Final

from shared.tables import AuditEntry

PRIORITY: Final = 10 * 8 + 5
"""Facility 10 (security), severity 5 (normal but significant)."""

MESSAGE_ID: Final = "DICOM+RFC3881"


def frame(entry: AuditEntry, xml: bytes) -> bytes:
    """With number and hash of the entry beside the XML: what the collector keeps is a copy of the chain's links."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    chained = f'[fiona@32473 sequence="{entry.sequence}" hash="{entry.hash}"]'
    header = f"<{PRIORITY}>1 {at} {_host()} fiona {os.getpid()} {MESSAGE_ID} {chained} "
    content = header.encode("ascii") + xml
    return b"%d %b" % (len(content), content)


@cache
def _host() -> str:
    return re.sub(r"[^\x21-\x7e]", "", socket.gethostname())[:255] or "-"
