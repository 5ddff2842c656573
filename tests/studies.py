"""Synthetic studies for tests: small images with the identity of somebody who does not exist."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PATIENT_NAME = "Hansen^Kari Canary"
PATIENT_ID = "01019012345"
ACCESSION = "ACC7734421"


def ct_study(
    folder: Path,
    series: int = 1,
    images: int = 3,
    rows: int = 64,
    patient_id: str = PATIENT_ID,
    accession: str = ACCESSION,
) -> "Study":
    """Write a CT study of `series` × `images` files and say what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    study_uid = generate_uid()
    files = [
        path
        for number in range(1, series + 1)
        for path in _ct_series(folder, study_uid, number, images, rows, patient_id, accession)
    ]
    return Study(study_uid, files)


class Study:
    """A study on disk: its UID and its files."""

    def __init__(self, study_instance_uid: str, files: list[Path]) -> None:
        self.study_instance_uid = study_instance_uid
        self.files = files


def _ct_series(
    folder: Path, study_uid: str, number: int, images: int, rows: int, patient_id: str, accession: str
) -> Iterator[Path]:
    series_uid, frame = generate_uid(), generate_uid()
    noise = np.random.default_rng(number)
    for image in range(1, images + 1):
        dataset = _dataset(study_uid, series_uid, frame, number, image, patient_id, accession)
        dataset.Rows = dataset.Columns = rows
        dataset.PixelData = noise.integers(0, 4095, rows * rows, dtype=np.uint16).tobytes()
        path = folder / f"{number:02}-{image:04}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        yield path


def _dataset(
    study_uid: str, series_uid: str, frame: str, number: int, image: int, patient_id: str, accession: str
) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, series_uid
    dataset.FrameOfReferenceUID = frame
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20260105"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "101500"
    dataset.AccessionNumber = accession
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "CT", "Phantom Works", "Spiral 1"
    dataset.InstitutionName = "Canary General Hospital"
    dataset.ReferringPhysicianName = "Olsen^Per"
    dataset.OperatorsName = "Berg^Anne"
    dataset.StationName = "CTROOM1"
    dataset.StudyDescription, dataset.SeriesDescription = "CT head", f"axial {number}"
    dataset.PatientName, dataset.PatientID = PATIENT_NAME, patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "19900101", "F"
    dataset.SliceThickness, dataset.KVP = "1.0", "120"
    dataset.StudyID, dataset.SeriesNumber, dataset.InstanceNumber = "1", number, image
    dataset.ImagePositionPatient = [0, 0, image]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing = [1, 1]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    request = Dataset()
    request.AccessionNumber = accession
    request.RequestedProcedureDescription = "head"
    dataset.RequestAttributesSequence = [request]
    private = dataset.private_block(0x0029, "PHANTOM PRIVATE", create=True)
    private.add_new(0x10, "LO", PATIENT_NAME)
    return dataset
