"""The destinations, one module for each kind."""

from services.sender.clients.dicom import DicomClient
from services.sender.clients.dicomweb import DicomWebClient
from services.sender.clients.folder import FolderClient
from services.sender.clients.nowhere import NullClient
from services.sender.clients.protocol import Answer, Client, Found, Leaving, Outgoing, Withdrawn
from services.sender.settings import SenderSettings
from shared.destinations import (
    DestinationConfig,
    DicomDestination,
    DicomWebDestination,
    FolderDestination,
    NullDestination,
)
from shared.scu import Unavailable
from shared.store import Store

__all__ = ["Answer", "Client", "Found", "Leaving", "Outgoing", "Unavailable", "Withdrawn", "client"]


def client(name: str, config: DestinationConfig, store: Store, settings: SenderSettings) -> Client:
    """The client of the destination `name`."""
    match config:
        case DicomDestination():
            return DicomClient(config, settings.batch_seconds)
        case DicomWebDestination():
            return DicomWebClient(config, settings.stow_bytes)
        case FolderDestination():
            return FolderClient(config.root(name, store.root), settings.batch_seconds)
        case NullDestination():
            return NullClient()
