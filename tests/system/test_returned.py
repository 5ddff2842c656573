"""A workstation at the research PACS makes a segmentation and pushes it to a real gateway, over DCMTK."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from tests.components import dcmtk
from tests.components.orthanc import Orthanc
from tests.components.process import wait_until
from tests.studies import ct_study
from tests.system.gateway import SERVICES, Gateway, running
from tests.system.modality import Modality
from tests.system.rest import OVER

PROJECT = "RETURNED"
DAY, TODAY = "20251124", "20261130"
"""That of the study, moved by 42 days; that on which the segmentation was made."""


@pytest.fixture
def gateway(tmp_path: Path, orthanc: Orthanc) -> Iterator[Gateway]:
    config = {"host": "127.0.0.1", "port": orthanc.dicom_port, "called_aet": orthanc.aet}
    with running(Gateway(tmp_path, {"FIONA_ANONYMIZER_WORKERS": "1"}, groups=(SERVICES,))) as gateway:
        gateway.add_project(PROJECT, {"kind": "dicom", "config": config}, profile="fiona")
        yield gateway


def held(orthanc: Orthanc) -> list[Dataset]:
    """Everything that the research PACS has."""
    found = orthanc.api("GET", "/instances").json()
    return [dcmread(BytesIO(orthanc.api("GET", f"/instances/{each}/file").content)) for each in found]


def segmentation(images: list[Dataset]) -> Dataset:
    """Of one image: the study's attributes copied, what it refers to named, itself and its day its own."""
    image = images[0]
    made = Dataset()
    copied = ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "PatientID", "PatientName")
    for keyword in (*copied, "PatientBirthDate", "PatientSex", "ReferringPhysicianName", "FrameOfReferenceUID"):
        if keyword in image:
            setattr(made, keyword, image[keyword].value)
    made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID = SegmentationStorage, generate_uid(), generate_uid()
    made.Modality, made.Manufacturer, made.SeriesNumber, made.InstanceNumber = "SEG", "Workstation", 900, 1
    made.SeriesDate = made.ContentDate = TODAY
    made.SeriesTime = made.ContentTime = "120000"
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.SegmentationType, made.ContentLabel = "BINARY", "LESION"
    made.Rows, made.Columns, made.NumberOfFrames = image.Rows, image.Columns, 1
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 1, 1, 0, 0
    made.PixelData = bytes(image.Rows * image.Columns // 8)
    series, source = Dataset(), Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedInstanceSequence = image.SeriesInstanceUID, Sequence([source])
    made.ReferencedSeriesSequence = Sequence([series])
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def test_a_segmentation_joins_the_study_it_was_made_from(gateway: Gateway, orthanc: Orthanc, tmp_path: Path) -> None:
    study = ct_study(tmp_path / "ct")
    with Modality(study.files, gateway.dicom_port) as modality:
        modality.wait_for(len(study.files))
        gateway.assign(study.study_instance_uid, PROJECT, "DEMO001")
        gateway.wait_delivered(3)
    images = held(orthanc)
    [pseudonym] = {each.StudyInstanceUID for each in images}
    assert {each.StudyDate for each in images} == {DAY}

    pushed = tmp_path / "pushed"
    pushed.mkdir()
    made = segmentation(images)
    made.save_as(pushed / "seg.dcm", enforce_file_format=True)
    images[1].save_as(pushed / "own.dcm", enforce_file_format=True)
    assert dcmtk.dcmsend(gateway.dicom_port, pushed, calling="WORKSTATION").returncode == 0

    def over() -> bool:
        mine = [each for each in gateway.transfers() if each["study_instance_uid"] == pseudonym]
        done = all(each["state"] in OVER for each in mine)
        return done and sum(each["instances"] for each in mine) == 2

    wait_until(over, 300, "what came back", every=0.5)
    mine = [each for each in gateway.transfers() if each["study_instance_uid"] == pseudonym]
    assert {each["state"] for each in mine} == {"completed"}, mine
    assert mine[-1]["reason"] == f"derived from {study.study_instance_uid}"
    assert sum(each["left_out"] for each in mine) == 1, "our own image, pushed back"

    there = held(orthanc)
    assert len(there) == 4
    [found] = [each for each in there if each.Modality == "SEG"]
    assert found.SOPInstanceUID != made.SOPInstanceUID
    assert found.SeriesInstanceUID != made.SeriesInstanceUID
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "StudyDate", "PatientID", "PatientName"):
        assert found[keyword].value == images[0][keyword].value, keyword
    [series] = found.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == images[0].SeriesInstanceUID
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == images[0].SOPInstanceUID
    assert (found.ContentDate, found.SeriesDate) == ("20261019", "20261019")
    statistics = orthanc.api("GET", "/statistics").json()
    assert (statistics["CountPatients"], statistics["CountStudies"], statistics["CountSeries"]) == (1, 1, 2)
