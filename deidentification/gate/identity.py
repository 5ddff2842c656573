"""Which attributes identify the source, and which ones the engine needs to know of it."""

from enum import Enum
from typing import Final


class Kind(Enum):
    """How an identifying value is looked for in what was written."""

    NAME = "name"
    ID = "id"
    DATE = "date"
    UID = "uid"


STUDY, SERIES, INSTANCE, SOP_CLASS = 0x0020000D, 0x0020000E, 0x00080018, 0x00080016
MODALITY, CHARACTER_SET, IMAGE_TYPE = 0x00080060, 0x00080005, 0x00080008

CAPTURED: Final = frozenset((STUDY, SERIES, INSTANCE, SOP_CLASS, MODALITY, CHARACTER_SET, IMAGE_TYPE))

IDENTIFYING: Final[dict[int, Kind | None]] = {
    0x00100010: Kind.NAME,  # Patient's Name
    0x00101001: Kind.NAME,  # Other Patient Names
    0x00101005: Kind.NAME,  # Patient's Birth Name
    0x00101060: Kind.NAME,  # Patient's Mother's Birth Name
    0x00080090: Kind.NAME,  # Referring Physician's Name
    0x00100020: Kind.ID,  # Patient ID
    0x00101000: Kind.ID,  # Other Patient IDs
    0x00101002: None,  # Other Patient IDs Sequence: its items are read though it goes
    0x00101090: Kind.ID,  # Medical Record Locator
    0x00080050: Kind.ID,  # Accession Number
    0x00380010: Kind.ID,  # Admission ID
    0x00100030: Kind.DATE,  # Patient's Birth Date
    STUDY: Kind.UID,
    SERIES: Kind.UID,
    INSTANCE: Kind.UID,
}
