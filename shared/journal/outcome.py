"""What became of an instance, and why one was refused: the codes serve C-STORE and STOW-RS alike."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

from shared.events import ReceivedInstance


class Kind(StrEnum):
    """The four ends of a store."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"


class Refusal(IntEnum):
    """C-STORE status (PS3.4 Table B.2-1) and STOW-RS Failure Reason (PS3.18 §I.2.2) of what was not kept."""

    PROCESSING_FAILURE = 0x0110
    OUT_OF_RESOURCES = 0xA700
    SOP_CLASS_MISMATCH = 0xA900
    UNPARSABLE = 0xC000
    STUDY_INSTANCE_UID = 0xC001
    SERIES_INSTANCE_UID = 0xC002
    SOP_INSTANCE_UID = 0xC003
    SOP_CLASS_UID = 0xC004
    SOP_INSTANCE_MISMATCH = 0xC005
    REQUESTED_UID = 0xC006


REASONS: dict[Refusal, str] = {
    Refusal.PROCESSING_FAILURE: "internal error",
    Refusal.OUT_OF_RESOURCES: "out of resources",
    Refusal.SOP_CLASS_MISMATCH: "SOP Class UID of request and dataset disagree",
    Refusal.UNPARSABLE: "dataset is not whole",
    Refusal.STUDY_INSTANCE_UID: "Study Instance UID is missing or invalid",
    Refusal.SERIES_INSTANCE_UID: "Series Instance UID is missing or invalid",
    Refusal.SOP_INSTANCE_UID: "SOP Instance UID is missing or invalid",
    Refusal.SOP_CLASS_UID: "SOP Class UID is missing or invalid",
    Refusal.SOP_INSTANCE_MISMATCH: "SOP Instance UID of request and dataset disagree",
    Refusal.REQUESTED_UID: "a UID of the request is invalid",
}
"""What a sender is told (Error Comment, at most 64 characters)."""


class Record(NamedTuple):
    """An owed instance: its number within the association, and what the event will say of it."""

    number: int
    entry: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    path: str
    size: int
    conflict: bool

    def instance(self) -> ReceivedInstance:
        """As events say it."""
        return ReceivedInstance.model_construct(
            study_instance_uid=self.study_instance_uid,
            series_instance_uid=self.series_instance_uid,
            sop_instance_uid=self.sop_instance_uid,
            sop_class_uid=self.sop_class_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
            path=self.path,
            size=self.size,
            conflict=self.conflict,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sender is to be told, and what was kept (None: nothing new)."""

    kind: Kind
    record: Record | None = None
    refusal: Refusal | None = None
    detail: str = ""

    @property
    def status(self) -> int:
        """The C-STORE status: 0 unless refused."""
        return self.refusal or 0

    @property
    def reason(self) -> str:
        """Why it was refused, free of PHI; empty unless refused."""
        return REASONS[self.refusal] if self.refusal is not None else ""

    @property
    def instance(self) -> ReceivedInstance | None:
        """What was kept, as events say it."""
        return self.record.instance() if self.record is not None else None


def refused(refusal: Refusal, detail: str = "") -> Outcome:
    """Nothing was kept."""
    return Outcome(Kind.REFUSED, refusal=refusal, detail=detail)
