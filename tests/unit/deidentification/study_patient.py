"""Who the synthetic study is about: every identifying text holds ZQ, every UID the birth date.

So one look for a handful of byte strings finds whatever leaks, in whichever attribute, case or encoding it stands.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

MARK: Final = "ZQ"
BIRTH: Final = "19700203"
STUDY_DATE, STUDY_TIME = "20240311", "235500"
NEXT_DATE: Final = "20240312"
NAME: Final = "Zqvistgaard^Karianne Zq"
PATIENT_ID: Final = "ZQ03027012345"
ACCESSION: Final = "ZQACC4711X"
ROOT: Final = f"1.2.826.0.{BIRTH}"
STUDY: Final = f"{ROOT}.1"
FRAME: Final = f"{ROOT}.4"
# What must never be found; UIDs by their root, which is nobody else's.
TEXT: Final = re.compile(rb"z\0*q|\0z\0q", re.IGNORECASE)
DATES: Final = (BIRTH.encode(), b"1970-02-03", b"03.02.1970", b"02/03/1970", b"700203")
UIDS: Final = (ROOT.encode(),)


def uid(*numbers: int) -> str:
    """A UID of the study, with a birth date in it."""
    return ".".join((ROOT, *map(str, numbers)))


def dataset(**attributes: Any) -> Dataset:
    """A dataset or an item of these attributes; lists of datasets become sequences."""
    data = Dataset()
    for keyword, value in attributes.items():
        if isinstance(value, Dataset):
            value = [value]
        if isinstance(value, list) and value and isinstance(value[0], Dataset):
            value = Sequence(value)
        setattr(data, keyword, value)
    return data


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A code sequence's item."""
    return dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def reference(sop_class: str, instance: str, **more: Any) -> Dataset:
    """A reference to an instance."""
    return dataset(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=instance, **more)


def person(number: int, name: str) -> Dataset:
    """A Person Identification macro's item: everything that may say who somebody is."""
    data = dataset(
        PersonIdentificationCodeSequence=code(f"ZQSTAFF{number}", "99ZQ", name),
        PersonAddress=f"Zqgata {number}, 5003 Bergen",
        PersonTelephoneNumbers=f"+47 ZQ 5590{number:04}",
    )
    if number % 2:
        data.InstitutionName = "Zqfjord Sykehus"
    else:
        data.InstitutionCodeSequence = Sequence([code("ZQHOSP", "99ZQ", "Zqfjord Sykehus")])
    return data


def header(sop_class: str, modality: str, series: int, instance: int, **attributes: Any) -> Dataset:
    """Patient, study, series, equipment and order of one instance, as busy as a real one."""
    data = dataset(
        SpecificCharacterSet="ISO_IR 100",
        InstanceCreationDate=STUDY_DATE,
        InstanceCreationTime="235959.5",
        SOPClassUID=sop_class,
        SOPInstanceUID=uid(series, instance),
        StudyDate=STUDY_DATE,
        SeriesDate=STUDY_DATE,
        ContentDate=STUDY_DATE,
        StudyTime=STUDY_TIME,
        SeriesTime="235600",
        ContentTime="235700",
        AccessionNumber=ACCESSION,
        Modality=modality,
        Manufacturer="Makers",
        ManufacturerModelName="Definitive",
        InstitutionName="Zqfjord Sykehus",
        InstitutionAddress="Zqveien 1, 5003 Bergen",
        InstitutionalDepartmentName="Zqradiologisk",
        ReferringPhysicianName="Zqhenviser^Hans",
        ReferringPhysicianIdentificationSequence=person(1, "Zqhenviser"),
        StationName="ZQSTATION1",
        StudyDescription="CT Thorax for Zqvistgaard",
        SeriesDescription="Thorax 1.0 Br40 ZQ",
        PerformingPhysicianName="Zqlege^Lise",
        OperatorsName=["Zqradiograf^Rita", "Zqhjelper^Ola"],
        OperatorIdentificationSequence=person(2, "Zqradiograf"),
        PatientName=NAME,
        PatientID=PATIENT_ID,
        IssuerOfPatientID="ZQISSUER",
        PatientBirthDate=BIRTH,
        PatientBirthTime="070203",
        PatientSex="F",
        OtherPatientIDsSequence=dataset(
            PatientID="ZQOTHER998877", IssuerOfPatientID="ZQISSUER", TypeOfPatientID="TEXT"
        ),
        OtherPatientNames="Zqpike^Karianne",
        PatientAge="094Y",
        PatientSize="1.72",
        PatientWeight="68",
        PatientAddress="Zqgata 2, 5015 Bergen",
        PatientTelephoneNumbers="+47 ZQ 99887766",
        PatientMotherBirthName="Zqmor^Anna",
        Occupation="Zqmaler",
        AdditionalPatientHistory="Fell from a ladder at Zqbygg AS",
        PatientComments="Called her sister Zqberit",
        EthnicGroup="not stated",
        DeviceSerialNumber="ZQSN771234",
        DeviceUID=uid(9, 1),
        SoftwareVersions=["VA44A", "2012B"],
        ProtocolName="Thorax rutine ZQ",
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=uid(series),
        StudyID="ZQST77",
        SeriesNumber=str(series),
        InstanceNumber=str(instance),
        TimezoneOffsetFromUTC="+0100",
        PerformedProcedureStepStartDate=STUDY_DATE,
        PerformedProcedureStepStartTime="235501",
        PerformedProcedureStepID=f"ZQPPS{STUDY_DATE}",
        PerformedProcedureStepDescription="CT Thorax ZQ",
        PerformedStationAETitle="ZQAET1",
        ReferencedStudySequence=reference("1.2.840.10008.3.1.2.3.1", uid(8, 1)),
        ReferencedPerformedProcedureStepSequence=reference("1.2.840.10008.3.1.2.3.3", uid(8, 2)),
        RequestAttributesSequence=dataset(
            AccessionNumber=ACCESSION,
            StudyInstanceUID=STUDY,
            RequestedProcedureID="ZQRP77",
            RequestedProcedureDescription="CT Thorax ZQ",
            ScheduledProcedureStepID="ZQSPS77",
            ScheduledProcedureStepDescription="CT ZQ",
        ),
        **attributes,
    )
    block = data.private_block(0x0029, "MAKER CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"SV10\4\3\2\1PatientName Zqvistgaard^Karianne\0" * 3)
    block.add_new(0x18, "LO", "Zqvistgaard")
    return data


def written(data: Dataset, syntax: UID | str = ExplicitVRLittleEndian) -> bytes:
    """The file's bytes, with a File Meta and a preamble that tell on the patient, too."""
    from io import BytesIO

    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.file_meta.SourceApplicationEntityTitle = "ZQSOURCEAE"
    data.file_meta.ImplementationVersionName = "ZQIMPLEMENTATION"
    data.preamble = b"Zqvistgaard".ljust(128, b"\0")
    buffer = BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def leaks(content: bytes, texts: Iterable[bytes] = ()) -> list[str]:
    """What of the patient stands in the bytes: each find with a little around it."""
    found = [content[max(0, at.start() - 12) : at.end() + 12] for at in (*TEXT.finditer(content),)]
    lowered = content.lower()
    for secret in (*DATES, *UIDS, *(text.lower() for text in texts)):
        at = lowered.find(secret)
        if at >= 0:
            found.append(content[max(0, at - 12) : at + len(secret) + 12])
    return [repr(find) for find in found]
