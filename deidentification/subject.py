"""For whom an object is de-identified: project, participant, event, and the key all pseudonyms come from."""

import hmac
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from deidentification.dataset import uids

KEY_BYTES: Final = 32
LEAST_SHIFT, SHIFTS = 365, 731
EVENT_PREFIX: Final = "EventName:"
LONGEST: Final = 64


def _check(name: str, value: str, longest: int, forbidden: str = "") -> None:
    if not value.strip() or len(value) > longest:
        raise ValueError(f"{name} must have 1 to {longest} characters")
    if any(character in "\\" + forbidden or not character.isprintable() for character in value):
        raise ValueError(f"{name} holds a character that DICOM does not allow there")


@dataclass(frozen=True)
class Subject:
    """The identity that replaces the patient's; `key` is the project's secret of 32 bytes.

    `date_shift_days` (negative: into the past) overrides the shift that is derived from key and participant.
    """

    project: str
    participant: str
    event: str
    key: bytes = field(repr=False)
    date_shift_days: int | None = None

    def __post_init__(self) -> None:
        _check("project", self.project, LONGEST)
        _check("participant", self.participant, LONGEST, "^=")
        _check("event", self.event, LONGEST - len(EVENT_PREFIX), "^=")
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")

    @cached_property
    def shift_days(self) -> int:
        """Days that every date of this participant moves: 365 to 1095 into the past unless given."""
        if self.date_shift_days is not None:
            return self.date_shift_days
        digest = hmac.digest(self.key, b"fiona/dates\0" + self.participant.encode(), "sha256")
        return -(LEAST_SHIFT + int.from_bytes(digest[:8]) % SHIFTS)

    def new_uid(self, old: str, scheme: uids.Scheme = "keyed") -> str:
        """The UID that replaces `old` in this project, wherever it stands; `scheme` as the profile says (`uids`)."""
        return uids.mapped_by(scheme, self.key, self.project)(old.encode().strip(uids.PADDING)).decode()
