"""Where de-identified studies go: what a person may configure, and whether it answers.

The api checks what it is given with these models; the sender delivers by them. Whether one answers is asked by
`shared.destinations.echo`, which speaks all protocols and is imported by those only who do.
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

__all__ = [
    "DestinationConfig",
    "DicomDestination",
    "DicomWebDestination",
    "FolderDestination",
    "NullDestination",
    "Tls",
    "parse_destination",
]
