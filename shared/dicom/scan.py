"""What the receiver asks of a dataset: the UIDs that name the instance, and that it is whole.

No value is decoded but those UIDs.
"""

from dataclasses import dataclass
from threading import Semaphore

from shared.dicom.elements import elements
from shared.dicom.encoding import DEFLATED, Buffer, Unparsable, encoding_of, inflate

_INFLATING = Semaphore(2)
"""Of so many datasets at once in one process: many small streams that inflate to much are not its end."""

STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
SOP_INSTANCE_UID, SOP_CLASS_UID = 0x00080018, 0x00080016
WANTED = frozenset((STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID, SOP_CLASS_UID))


@dataclass(frozen=True, slots=True)
class Scan:
    """What names an instance; an attribute that is absent is the empty string."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


def scan(buffer: Buffer, transfer_syntax_uid: str, start: int = 0) -> Scan:
    """Walk the dataset from `start` to the end of the buffer; Unparsable if it is not whole.

    A private transfer syntax is taken for what its first element looks like.
    """
    if transfer_syntax_uid in DEFLATED:
        with _INFLATING:
            return _scan(inflate(buffer, start), transfer_syntax_uid, 0)
    return _scan(buffer, transfer_syntax_uid, start)


def _scan(buffer: Buffer, transfer_syntax_uid: str, start: int) -> Scan:
    found: dict[int, str] = {}
    for tag, _, value, length in elements(buffer, start, encoding_of(transfer_syntax_uid, buffer, start), WANTED):
        if length > 1024:
            raise Unparsable("a UID is longer than any UID can be")
        if tag not in found:
            found[tag] = bytes(buffer[value : value + length]).strip(b"\0 ").decode("latin-1")
    return Scan(
        found.get(STUDY_INSTANCE_UID, ""),
        found.get(SERIES_INSTANCE_UID, ""),
        found.get(SOP_INSTANCE_UID, ""),
        found.get(SOP_CLASS_UID, ""),
    )
