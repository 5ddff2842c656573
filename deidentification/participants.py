"""Who becomes whom in a folder of many patients: a table of PatientIDs, and the PatientID of a file."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import CHARACTER_SET
from deidentification.review import decoded, elements_of, value_of
from deidentification.subject import Subject

PATIENT_ID: Final = 0x00100020
COLUMNS: Final = ("PatientID", "participant", "event")
UNKNOWN: Final = "the table of participants does not know this patient"


class ParticipantsError(Exception):
    """The table cannot be used: what is wrong and in which line, never a value."""


@dataclass(frozen=True)
class Participants:
    """PatientID -> the subject that takes the patient's place; a file's patient who is not there is quarantined."""

    subjects: Mapping[str, Subject] = field(repr=False)

    def subject(self, file: Path) -> Subject | CannotDeidentify:
        """The subject of one file, or why there is none."""
        try:
            found = self.subjects.get(patient_id(file))
        except CannotDeidentify as refusal:
            return refusal
        return found or CannotDeidentify("participant", UNKNOWN, ((PATIENT_ID, None),))


def read_participants(text: str, subject: Subject) -> Participants:
    """The table as CSV with a header line `PatientID,participant[,event]`; `subject` gives key, project and event."""
    lines = csv.reader(text.removeprefix("\ufeff").splitlines())
    heads = tuple(head.strip() for head in next(lines, []))
    if heads not in (COLUMNS[:2], COLUMNS):
        raise ParticipantsError("the first line must be PatientID,participant or PatientID,participant,event")
    subjects: dict[str, Subject] = {}
    for line in lines:
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        where = f"line {lines.line_num}"
        if len(cells) != len(heads) or not cells[0]:
            raise ParticipantsError(f"{where}: it needs a PatientID and {len(heads) - 1} more values")
        try:
            made = replace(subject, participant=cells[1], event=(cells[2:] or [""])[0] or subject.event)
        except ValueError as problem:
            raise ParticipantsError(f"{where}: {problem}") from None
        if subjects.setdefault(cells[0], made) != made:
            raise ParticipantsError(f"{where}: this PatientID stood above with another participant or event")
    if not subjects:
        raise ParticipantsError("the table names nobody")
    return Participants(subjects)


def patient_id(file: Path) -> str:
    """The PatientID of a file without its padding; empty when it has none. Raises CannotDeidentify, OSError."""
    elements, encoding = elements_of(file, PATIENT_ID)
    values = {tag: value_of(elements[tag], encoding) for tag in (CHARACTER_SET, PATIENT_ID) if tag in elements}
    return decoded(values.get(PATIENT_ID, b""), b"LO", values.get(CHARACTER_SET, b"")).strip("\0 ")
