"""The instance of a heartbeat: a small image of nobody, the same each time that it is made for the same heartbeat.

So it is known by its bytes where nobody remembers that it was sent: a database that was restored has not heard of it.
"""

from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from shared.dicom.encoding import Unparsable
from shared.dicom.filemeta import read_meta
from shared.heartbeat import uids

SIDE = 16
MOST: Final = 64 << 10
"""No heartbeat is larger, in bytes."""


def is_made_up(file: Path, heartbeat: str) -> bool:
    """Whether a file is this heartbeat's image, byte for byte but for the File Meta; of nobody, then."""
    try:
        if file.stat().st_size > MOST:
            return False
        content, ours = file.read_bytes(), _made(heartbeat)
        return content[read_meta(content).dataset :] == ours[read_meta(ours).dataset :]
    except (OSError, Unparsable, ValueError):
        return False


def _made(heartbeat: str) -> bytes:
    made = BytesIO()
    write_image(made, heartbeat)
    return made.getvalue()


def write_image(file: Path | BytesIO, heartbeat: str) -> None:
    """Write it as a DICOM file."""
    of = uids(heartbeat)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, UID(of.sop)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, of.sop
    image.StudyInstanceUID, image.SeriesInstanceUID = of.study, of.series
    image.FrameOfReferenceUID = f"{of.study}.2"
    image.PatientName = image.PatientID = "HEARTBEAT"
    image.PatientBirthDate = image.PatientSex = image.ReferringPhysicianName = image.AccessionNumber = ""
    image.StudyDate = image.SeriesDate = image.ContentDate = "20000101"
    image.StudyTime = image.SeriesTime = image.ContentTime = "000000"
    image.StudyID, image.SeriesNumber, image.InstanceNumber = "1", 1, 1
    image.Modality, image.Manufacturer, image.ImageType = "MR", "FIONA", ["ORIGINAL", "PRIMARY", "OTHER"]
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions, image.MRAcquisitionType = "RM", "NONE", "", "2D"
    image.EchoTime, image.EchoTrainLength, image.RepetitionTime = 1, 1, 1
    image.PositionReferenceIndicator, image.PatientPosition, image.SliceThickness = "", "HFS", 1
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = [1, 1]
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = SIDE
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = bytes(2 * SIDE * SIDE)
    image.save_as(file, enforce_file_format=True)
