"""The series JSON, one literal row per field: where its value stands in a header.

Names, spelling and tags are the original's (the 22 tools around it read them). Values are texts; several
values are shown as a Python list in a text, as the original does.
"""

import re
from typing import Any

from services.indexer.headers.header import Header

TAGS: dict[str, int] = {
    "Manufacturer": 0x00080070,
    "ManufacturerModelName": 0x00081090,
    "SoftwareVersion": 0x00181020,
    "AcquisitionMatrix": 0x00181310,
    "AcquisitionLength": 0x0051100A,
    "StudyInstanceUID": 0x0020000D,
    "SeriesInstanceUID": 0x0020000E,
    "SeriesTime": 0x00080031,
    "PatientID": 0x00100020,
    "PatientName": 0x00100010,
    "PatientSex": 0x00100040,
    "InstitutionName": 0x00080080,
    "OperatorsName": 0x00081070,
    "SOPClassUID": 0x00080016,
    "StudyDate": 0x00080020,
    "StudyTime": 0x00080030,
    "StudyDescription": 0x00081030,
    "StudyID": 0x00200010,
    "StationName": 0x00081010,
    "SeriesDescription": 0x0008103E,
    "SequenceName": 0x00180024,
    "EchoTime": 0x00180081,
    "RepetitionTime": 0x00180080,
    "SeriesNumber": 0x00200011,
    "InstanceNumber": 0x00200013,
    "SliceThickness": 0x00180050,
    "ImageType": 0x00080008,
    "SliceSpacing": 0x00180088,
    "Slices": 0x0021104F,
    "ScanningSequence": 0x00180020,
    "SequenceVariant": 0x00180021,
    "SequenceType": 0x20011020,
    "PulseSequenceName": 0x0019109C,
    "ActiveCoils": 0x0051100F,
    "Private0019_105a": 0x0019105A,
    "Private0019_10BB": 0x001910BB,
    "SliceLocation": 0x00201041,
    "ImagesInAcquisition": 0x00201002,
    "AccessionNumber": 0x00080050,
    "NumberOfTemporalPositions": 0x00200105,
}
"""Fields that are one element, as text."""

LISTS: dict[str, int] = {"Modality": 0x00080060, "Private0043_1039": 0x00431039}
"""Fields that stay lists."""

DERIVED = (
    "IncomingConnection",
    "OSLevel",
    "NumFiles",
    "siemensUUID",
    "NumSlices",
    "MeasID",
    "siemensDiffusionInformation",
    "PhaseEncodingDirectionPositive",
    "ClassifyType",
)
"""Fields that are not an element of the header."""

FIELDS = frozenset((*TAGS, *LISTS, *DERIVED))

IDENTIFYING = frozenset(
    (
        "PatientID",
        "PatientName",
        "PatientSex",
        "InstitutionName",
        "OperatorsName",
        "StudyDate",
        "StudyTime",
        "StudyDescription",
        "StudyID",
        "AccessionNumber",
    )
)
"""Fields that stay in the JSON on disk, as in the original, and out of the catalogue's `series.header`."""

OTHERS: dict[str, int] = {
    "IssuerOfPatientID": 0x00100021,
    "ReferringPhysicianName": 0x00080090,
    "PatientBirthDate": 0x00100030,
    "NumberOfSeriesRelatedInstances": 0x00201209,
}
"""What the catalogue wants beside the series JSON."""

_RELEASE = re.compile(r"release:([^_\"]+)")


def image_fields(header: Header) -> dict[str, Any]:
    """The fields of one image that come from its elements; absent and empty ones are left out."""
    fields: dict[str, Any] = {name: shown for name, tag in TAGS.items() if (shown := header.shown(tag))}
    for name, tag in LISTS.items():
        value = header.value(tag)
        if value is not None:
            fields[name] = value if isinstance(value, list) else [value]
    if release := _RELEASE.search(fields.get("SoftwareVersion", "")):
        fields["OSLevel"] = release.group(1)
    return fields


def expected_instances(header: Header) -> int | None:
    """How many instances the series has, where an image says so: its own count before the acquisition's."""
    for tag in (OTHERS["NumberOfSeriesRelatedInstances"], TAGS["ImagesInAcquisition"]):
        said = header.first(tag)
        if said.isdecimal() and said.isascii() and int(said[:9]) > 0:
            return int(said[:9])
    return None
