"""A heartbeat on its way to the receiver, as any modality would send it."""

from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context

from shared.destinations import DicomDestination
from shared.heartbeat import uids
from shared.scu.association import StoreAssociation
from shared.scu.part10 import dataset_start


def send_image(file: Path, heartbeat: str, receiver: DicomDestination) -> int:
    """C-STORE it to the receiver; the status. Unavailable when there is no association, or it breaks."""
    context = build_context(MRImageStorage, ExplicitVRLittleEndian)
    context.context_id = 1
    association = StoreAssociation.request(receiver, [context])
    try:
        accepted = association.accepted.get((MRImageStorage, ExplicitVRLittleEndian), 1)
        with file.open("rb") as opened:
            start, end = dataset_start(opened.fileno()), file.stat().st_size
            status = association.store(accepted, MRImageStorage, uids(heartbeat).sop, opened.fileno(), start, end)
        association.release()
        return status
    finally:
        association.close()
