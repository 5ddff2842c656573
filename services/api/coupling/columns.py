"""Which column is which: the names of the original first, then what others call the same."""

import csv
import re
from collections.abc import Sequence

COLUMNS: dict[str, tuple[str, ...]] = {
    "study_instance_uid": ("StudyInstanceUID", "StudyUID", "Study Instance UID"),
    "accession_number": (
        "AccessionNumber", "Accession", "Accession No", "AccNo", "Undersøkelse-ID", "Undersøkelses-ID",
        "Undersokelse-ID",
    ),
    "patient_id": (
        "PatientID", "Patient", "PID", "MRN", "Fødselsnummer", "Fodselsnummer", "Fnr", "Personnummer", "Pasient-ID",
    ),
    "issuer": ("IssuerOfPatientID", "Issuer"),
    "project": ("ProjectName", "Project", "Prosjekt"),
    "participant": (
        "subjectid", "Subject", "Participant", "ParticipantID", "Pseudonym", "record_id", "Deltaker", "Deltaker-ID",
    ),
    "event": ("eventname", "Event", "redcap_event_name", "Visit", "Tidspunkt", "Hendelse"),
}  # fmt: skip
"""Field -> what its column may be called; upper and lower case, spaces, dots, hyphens and underscores do not matter."""

IDENTIFIERS = ("study_instance_uid", "accession_number", "patient_id")
"""The most exact first."""

DELIMITERS = ",;\t|"
SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
"""A first line of its own that Excel writes and reads."""


def plain(name: str) -> str:
    """A name without what does not matter."""
    return re.sub(r"[\W_]+", "", name).casefold()


_FIELDS = {plain(name): field for field, names in COLUMNS.items() for name in names}


def official(field: str) -> str:
    """What a field's column is called first of all: what problems call it, and the export."""
    return COLUMNS[field][0]


def fields_of(header: Sequence[str]) -> list[str | None]:
    """Column by column the field; None where the name means nothing here."""
    return [_FIELDS.get(plain(name)) for name in header]


def delimiter_of(line: str) -> str:
    """The delimiter by which most of a header's names are known."""

    def known(delimiter: str) -> int:
        return sum(field is not None for field in fields_of(next(csv.reader([line], delimiter=delimiter), [])))

    return max(DELIMITERS, key=known)
