"""Where de-identified studies go: what a person may configure, and whether it answers.

The api checks what it is given with these models and echoes with `echo`; the sender delivers by them.
Secrets are named by file, so that the database holds none.
"""

from shared.destinations.config import (
    DestinationConfig,
    DicomDestination,
    DicomWebDestination,
    FolderDestination,
    NullDestination,
    Tls,
    parse_destination,
)
from shared.destinations.echo import EchoFailed, echo

__all__ = [
    "DestinationConfig",
    "DicomDestination",
    "DicomWebDestination",
    "EchoFailed",
    "FolderDestination",
    "NullDestination",
    "Tls",
    "echo",
    "parse_destination",
]
