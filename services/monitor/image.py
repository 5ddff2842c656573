"""The instance of a heartbeat: a small image of nobody, made anew for each."""

from pathlib import Path

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context

from shared.destinations import DicomDestination
from shared.heartbeat import uids
from shared.scu.association import StoreAssociation
from shared.scu.part10 import dataset_start

SIDE = 16


def write_image(file: Path, heartbeat: str) -> None:
    """Write it as a DICOM file."""
    of = uids(heartbeat)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, UID(of.sop)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(file), {}, file_meta=meta, preamble=b"\0" * 128)
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
