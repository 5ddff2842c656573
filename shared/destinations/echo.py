"""Is a destination there? C-ECHO, a QIDO-RS for one study, or a file written and removed."""

import os
import tempfile
from pathlib import Path

import httpx
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from shared.destinations.config import (
    DestinationConfig,
    DicomDestination,
    DicomWebDestination,
    FolderDestination,
    NullDestination,
)
from shared.destinations.connect import http_client
from shared.destinations.dimse import NoAssociation, associate
from shared.threads import Threads

in_thread = Threads("echo")


class EchoFailed(Exception):
    """The destination is not there or does not want us; the text is free of PHI and secrets."""


async def echo(name: str, config: DestinationConfig, data: Path) -> None:
    """Return when the destination `name` answers; EchoFailed when not. `data` is the root of the store."""
    match config:
        case DicomDestination():
            await in_thread(_c_echo, config)
        case DicomWebDestination():
            await in_thread(_qido, config)
        case FolderDestination():
            await in_thread(_touch, config.root(name, data))
        case NullDestination():
            return


def _c_echo(config: DicomDestination) -> None:
    """A peer that takes the association but offers no verification is there, too."""
    try:
        association = associate(config, Verification)
    except NoAssociation as error:
        raise EchoFailed(str(error)) from error
    if association is None:
        return
    try:
        if association.send_c_echo().get("Status") != 0:
            raise EchoFailed("C-ECHO was not answered with success")
    finally:
        association.release()


def _qido(config: DicomWebDestination) -> None:
    try:
        with http_client(config) as client:
            answer = client.get("/studies", params={"limit": 1}, headers={"Accept": "application/dicom+json"})
    except (httpx.TransportError, OSError) as error:
        raise EchoFailed(type(error).__name__) from error
    if not answer.is_success:
        raise EchoFailed(f"HTTP {answer.status_code}")


def _touch(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".echo", dir=folder)
        os.close(handle)
        os.unlink(path)
    except OSError as error:
        raise EchoFailed(f"the folder cannot be written: {error.strerror}") from error
