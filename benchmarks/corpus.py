"""Synthetic series with realistic headers, written once and reused: CT, MR, multi-frame."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

CACHE: Final = Path(__file__).parents[1] / "build" / "corpus"
CT, MR, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2.1"
VERSION: Final = 1
# As many scanners make them: the device's serial number and the date stand in the UID.
ROOT: Final = "1.3.12.2.1107.5.1.4.771234.20240311100500"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """One item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def reference(sop_class: str, uid: str) -> Dataset:
    """One item that refers to an instance."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def header(sop_class: str, modality: str, seed: str) -> Dataset:
    """What all instances of a series share: patient, visit, order, device, about 70 elements."""
    data = Dataset()
    values: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        "InstanceCreationDate": "20240311",
        "InstanceCreationTime": "101112.345000",
        "SOPClassUID": sop_class,
        "StudyDate": "20240311",
        "SeriesDate": "20240311",
        "AcquisitionDate": "20240311",
        "ContentDate": "20240311",
        "AcquisitionDateTime": "20240311101010.500000",
        "StudyTime": "100500.000000",
        "SeriesTime": "100900.000000",
        "AcquisitionTime": "101010.500000",
        "ContentTime": "101010.500000",
        "AccessionNumber": "ACC20240311077",
        "Modality": modality,
        "Manufacturer": "Maker of Scanners",
        "InstitutionName": "Sykehuset i Fjorden",
        "InstitutionAddress": "Fjordveien 1, 5003 Bergen",
        "ReferringPhysicianName": "Ødegård^Henvisende^Lege",
        "StationName": "CT0815",
        "StudyDescription": "CT Thorax/Abdomen",
        "SeriesDescription": "Thorax 1.0 Br40",
        "InstitutionalDepartmentName": "Radiologisk avdeling",
        "PerformingPhysicianName": "Utførende^Rut",
        "OperatorsName": "Radiograf^Rita",
        "ManufacturerModelName": "Definitive Flash",
        "PatientName": "Nordmann^Kari^Anne",
        "PatientID": "01017012345",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "PatientAge": "054Y",
        "PatientSize": "1.72",
        "PatientWeight": "68",
        "PatientAddress": "Storgata 2, 5015 Bergen",
        "OtherPatientIDs": "NPR998877",
        "EthnicGroup": "not stated",
        "PatientComments": "Called her sister Berit on arrival",
        "BodyPartExamined": "CHEST",
        "DeviceSerialNumber": "SN771234",
        "SoftwareVersions": ["syngo CT 2012B", "VA44A"],
        "ProtocolName": "Thorax rutine",
        "PatientPosition": "FFS",
        "StudyInstanceUID": f"{seed}.1",
        "SeriesInstanceUID": f"{seed}.2",
        "StudyID": "77",
        "SeriesNumber": "4",
        "FrameOfReferenceUID": f"{seed}.3",
        "PositionReferenceIndicator": "",
        "RequestingPhysician": "Ødegård^Henvisende^Lege",
        "RequestedProcedureDescription": "CT Thorax",
        "PerformedProcedureStepStartDate": "20240311",
        "PerformedProcedureStepStartTime": "100501",
        "PerformedProcedureStepID": "PPS20240311",
        "PerformedProcedureStepDescription": "CT Thorax/Abdomen",
    }
    for keyword, value in values.items():
        setattr(data, keyword, value)
    data.ReferencedStudySequence = Sequence([reference("1.2.840.10008.3.1.2.3.1", f"{seed}.8")])
    data.ProcedureCodeSequence = Sequence([code("RNC1AA", "99NCRP", "CT Thorax")])
    request = Dataset()
    request.RequestedProcedureDescription, request.ScheduledProcedureStepID = "CT Thorax", "SPS77"
    request.RequestedProcedureID = "RP77"
    request.ScheduledProtocolCodeSequence = Sequence([code("RNC1AA", "99NCRP", "CT Thorax")])
    data.RequestAttributesSequence = Sequence([request])
    block = data.private_block(0x0029, "MAKER CSA HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x10, "OB", (b"SV10\4\3\2\1" + b"PatientName Nordmann^Kari^Anne\0\0") * 60)
    block.add_new(0x18, "CS", "SERIES")
    other = data.private_block(0x0019, "MAKER CT HEADER", create=True)
    for number in range(0x90, 0xA8):
        other.add_new(number, "DS", f"{number}.25")
    return data


def slice_of(data: Dataset, seed: str, number: int) -> None:
    """What changes from slice to slice."""
    data.SOPInstanceUID = f"{seed}.4.{number}"
    data.InstanceNumber = str(number)
    data.AcquisitionNumber = "2"
    data.ImagePositionPatient = [-180.5, -176.25, -900.0 + number]
    data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data.SliceLocation = str(-900.0 + number)
    data.SourceImageSequence = Sequence([reference(data.SOPClassUID, f"{seed}.9.{number}")])
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def image(data: Dataset, rows: int, columns: int, frames: int = 1) -> None:
    """16-bit pixels; one noisy frame repeated."""
    noise = np.random.default_rng(7).integers(0, 2000, (rows, columns), dtype=np.uint16)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = rows, columns
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelSpacing, data.SliceThickness = [0.7, 0.7], "1"
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "-1024", "1", "HU"
    data.WindowCenter, data.WindowWidth = ["40", "-600"], ["400", "1200"]
    data.WindowCenterWidthExplanation = ["WINDOW1", "WINDOW2"]
    data.PixelData = noise.tobytes() * frames


def ct_series(folder: Path, count: int) -> list[Path]:
    """`count` CT slices of 512 x 512 x 2 bytes."""
    seed = f"{ROOT}.1"
    data = header(CT, "CT", seed)
    for keyword, value in {
        "ScanOptions": "SPIRAL", "KVP": "120", "DataCollectionDiameter": "500", "ReconstructionDiameter": "360",
        "DistanceSourceToDetector": "1085.6", "DistanceSourceToPatient": "595", "GantryDetectorTilt": "0",
        "TableHeight": "148", "RotationDirection": "CW", "ExposureTime": "500", "XRayTubeCurrent": "220",
        "Exposure": "110", "FilterType": "FLAT", "GeneratorPower": "26", "FocalSpots": "1.2",
        "ConvolutionKernel": ["Br40d", "3"], "DateOfLastCalibration": "20240310", "TimeOfLastCalibration": "064712",
        "SpiralPitchFactor": 0.6, "CTDIvol": 7.4, "ContrastBolusAgent": "Omnipaque", "ContrastBolusVolume": "80",
    }.items():  # fmt: skip
        setattr(data, keyword, value)
    image(data, 512, 512)
    return _series(folder, data, seed, count)


def mr_series(folder: Path, count: int) -> list[Path]:
    """`count` MR slices of 256 x 256 x 2 bytes."""
    seed = f"{ROOT}.2"
    data = header(MR, "MR", seed)
    for keyword, value in {
        "ScanningSequence": ["SE", "IR"], "SequenceVariant": ["SK", "SP"], "ScanOptions": "PFP",
        "MRAcquisitionType": "3D", "SequenceName": "*tfl3d1", "RepetitionTime": "2300", "EchoTime": "2.98",
        "InversionTime": "900", "NumberOfAverages": "1", "ImagingFrequency": "123.25", "ImagedNucleus": "1H",
        "EchoNumbers": "1", "MagneticFieldStrength": "3", "NumberOfPhaseEncodingSteps": "239", "EchoTrainLength": "1",
        "PercentSampling": "100", "PercentPhaseFieldOfView": "93.75", "PixelBandwidth": "240",
        "TransmitCoilName": "Body", "AcquisitionMatrix": [0, 256, 240, 0], "FlipAngle": "9", "SAR": "0.06",
    }.items():  # fmt: skip
        setattr(data, keyword, value)
    image(data, 256, 256)
    return _series(folder, data, seed, count)


def multiframe(folder: Path, count: int, frames: int = 190) -> list[Path]:
    """`count` enhanced CT objects of `frames` x 512 x 512 x 2 bytes (190 frames: 100 MB) with per-frame groups."""
    seed = f"{ROOT}.3"
    data = header(ENHANCED_CT, "CT", seed)
    data.NumberOfFrames = frames
    groups = []
    for number in range(frames):
        group, content, plane = Dataset(), Dataset(), Dataset()
        content.FrameAcquisitionDateTime, content.StackID = "20240311101010.500000", "1"
        plane.ImagePositionPatient = [-180.5, -176.25, -900.0 + number]
        group.FrameContentSequence, group.PlanePositionSequence = Sequence([content]), Sequence([plane])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    image(data, 512, 512, frames)
    return _series(folder, data, seed, count)


def _series(folder: Path, data: Dataset, seed: str, count: int) -> list[Path]:
    """Write the slices, then a mark that says the folder is whole."""
    mark, wanted = folder.with_suffix(".json"), {"version": VERSION, "count": count, "seed": seed}
    paths = [folder / f"{number:05}.dcm" for number in range(1, count + 1)]
    if mark.exists() and json.loads(mark.read_text()) == wanted:
        return paths
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, path in enumerate(paths, 1):
        slice_of(data, seed, number)
        data.save_as(path, enforce_file_format=True)
    mark.write_text(json.dumps(wanted))
    return paths


def cached(make: Callable[[Path, int], list[Path]], count: int) -> list[Path]:
    """The series from the cache under build/, made when it is not there."""
    return make(CACHE / f"{make.__name__}-{count}", count)
