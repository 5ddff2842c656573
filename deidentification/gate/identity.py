"""Which attributes identify the source, and which ones the engine needs to know of it."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from deidentification.standard.dictionary import DICTIONARY
from deidentification.standard.reviewed import CLASS_UIDS, PUBLIC_VERSIONS


class Kind(Enum):
    """How an identifying value is looked for in what was written."""

    NAME = "name"
    ID = "id"
    DEVICE = "device"
    DATE = "date"
    UID = "uid"
    TEXT = "text"
    PHONE = "phone"


STUDY, SERIES, INSTANCE, SOP_CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
MODALITY, CHARACTER_SET, IMAGE_TYPE = 0x00080060, 0x00080005, 0x00080008

CAPTURED: Final = frozenset((STUDY, SERIES, INSTANCE, SOP_CLASS, MODALITY, CHARACTER_SET, IMAGE_TYPE))

# Groups that no image's dataset holds, or that describe the file.
_NOT_OF_THE_SOURCE: Final = frozenset((0x0000, 0x0002, 0x0004, 0x0014, 0x4010))


def _with_vr(*vrs: bytes) -> Iterable[int]:
    return (tag for tag, known in DICTIONARY.items() if known[0] in vrs and tag >> 16 not in _NOT_OF_THE_SOURCE)


# Names outside VR PN: of a hanging protocol's author, of a contact.
NAMES: Final = (0x00720008, 0x0074100C)

IDS: Final = (
    0x00100020,  # Patient ID
    0x00101000,  # Other Patient IDs
    0x00101090,  # Medical Record Locator
    0x00101050,  # Insurance Plan Identification
    0x00100033,  # Patient's Birth Date in Alternative Calendar
    0x00080050,  # Accession Number
    0x00380010,  # Admission ID
    0x00380060,  # Service Episode ID
    0x00200010,  # Study ID
    0x00401001,  # Requested Procedure ID
    0x00400009,  # Scheduled Procedure Step ID
    0x00400253,  # Performed Procedure Step ID
    0x00402006,  # Placer Order Number / Imaging Service Request (Retired)
    0x00402007,  # Filler Order Number / Imaging Service Request (Retired)
    0x00402016,  # Placer Order Number / Imaging Service Request
    0x00402017,  # Filler Order Number / Imaging Service Request
    0x00401006,  # Placer Order Number / Procedure
    0x00401007,  # Filler Order Number / Procedure
    0x0040050A,  # Specimen Accession Number
    0x00400512,  # Container Identifier
    0x00400551,  # Specimen Identifier
    0x004006FA,  # Slide Identifier
    0x22000005,  # Barcode Value
    0x22000002,  # Label Text
    0x00120040,  # Clinical Trial Subject ID: of the source
    0x00120042,  # Clinical Trial Subject Reading ID
    0x40080040,  # Results ID
    0x40080200,  # Interpretation ID
    0x21000160,  # Owner ID
    0x00100214,  # Strain Stock Number
    0x00102295,  # Breed Registration Number
)

# Which device it was: station names and AE titles count only when a digit stands in them.
DEVICES: Final = (
    0x00181000,  # Device Serial Number
    0x00181003,  # Device ID
    0x00181004,  # Plate ID
    0x00181005,  # Generator ID
    0x00181007,  # Cassette ID
    0x00181008,  # Gantry ID
    0x00181009,  # Unique Device Identifier
    0x0018700A,  # Detector ID
    0x00189367,  # X-Ray Source ID
    0x00189371,  # X-Ray Detector ID
    0x00189373,  # X-Ray Detector Label
    0x30080105,  # Source Serial Number
    0x3010001B,  # Device Alternate Identifier
    0x30100043,  # Manufacturer's Device Identifier
    0x300A00B2,  # Treatment Machine Name
    0x30020020,  # Radiation Machine Name
    0x00081010,  # Station Name
    0x00400010,  # Scheduled Station Name
    0x00400242,  # Performed Station Name
    0x00080054,  # Retrieve AE Title
    0x00080055,  # Station AE Title
    0x00400001,  # Scheduled Station AE Title
    0x00400241,  # Performed Station AE Title
    0x00321021,  # Scheduled Study Location AE Title
)

TEXTS: Final = (
    0x00080080,  # Institution Name
    0x00080081,  # Institution Address
    0x00081040,  # Institutional Department Name
    0x00080092,  # Referring Physician's Address
    0x00100021,  # Issuer of Patient ID
    0x00101040,  # Patient's Address
    0x00102152,  # Region of Residence
    0x00102299,  # Responsible Organization
    0x00120031,  # Clinical Trial Site Name
    0x00321020,  # Scheduled Study Location
    0x00321033,  # Requesting Service
    0x00380011,  # Issuer of Admission ID
    0x00380300,  # Current Patient Location
    0x00380400,  # Patient's Institution Residence
    0x00400011,  # Scheduled Procedure Step Location
    0x00400243,  # Performed Location
    0x00400031,  # Local Namespace Entity ID
    0x00400032,  # Universal Entity ID
    0x00401005,  # Requested Procedure Location
    0x00401102,  # Person's Address
    0x00402009,  # Order Enterer's Location
    0x00404036,  # Human Performer's Organization
    0x0040A027,  # Verifying Organization
    0x4008011A,  # Distribution Address
)

PHONES: Final = (
    0x00080094,  # Referring Physician's Telephone Numbers
    0x00102154,  # Patient's Telephone Numbers
    0x00102155,  # Patient's Telecom Information
    0x00401103,  # Person's Telephone Numbers
    0x00401104,  # Person's Telecom Information
    0x00402010,  # Order Callback Phone Number
    0x00402011,  # Order Callback Telecom Information
)

# Sequences whose items are read though they go: who people are, what other systems called the study.
SEQUENCES: Final = (
    0x00101002,  # Other Patient IDs Sequence
    0x00100024,  # Issuer of Patient ID Qualifiers Sequence
    0x00080096,  # Referring Physician Identification Sequence
    0x0008009D,  # Consulting Physician Identification Sequence
    0x00081049,  # Physician(s) of Record Identification Sequence
    0x00081052,  # Performing Physician Identification Sequence
    0x00081062,  # Physician(s) Reading Study Identification Sequence
    0x00081072,  # Operator Identification Sequence
    0x00321031,  # Requesting Physician Identification Sequence
    0x00401011,  # Intended Recipients of Results Identification Sequence
    0x00404034,  # Scheduled Human Performers Sequence
    0x00404035,  # Actual Human Performers Sequence
    0x00400275,  # Request Attributes Sequence
    0x00400100,  # Scheduled Procedure Step Sequence
    0x0040A370,  # Referenced Request Sequence
    0x0040A078,  # Author Observer Sequence
    0x0040A07A,  # Participant Sequence
    0x0040A07C,  # Custodial Organization Sequence
    0x0040A073,  # Verifying Observer Sequence
    0x04000550,  # Modified Attributes Sequence
    0x04000561,  # Original Attributes Sequence
)

IDENTIFYING: Final[dict[int, Kind | None]] = {
    **dict.fromkeys(_with_vr(b"PN"), Kind.NAME),
    **dict.fromkeys((tag for tag in _with_vr(b"DA", b"DT") if tag not in PUBLIC_VERSIONS), Kind.DATE),
    **dict.fromkeys((tag for tag in _with_vr(b"UI") if tag not in CLASS_UIDS), Kind.UID),
    **dict.fromkeys(NAMES, Kind.NAME),
    **dict.fromkeys(IDS, Kind.ID),
    **dict.fromkeys(DEVICES, Kind.DEVICE),
    **dict.fromkeys(TEXTS, Kind.TEXT),
    **dict.fromkeys(PHONES, Kind.PHONE),
    **dict.fromkeys(SEQUENCES),
}
