"""Does a pseudonym give the patient away? What a column too far to the left or a careless export brings."""

import re
from collections.abc import Sequence

from services.api.coupling.columns import official
from services.api.coupling.rows import Row
from shared.registry.resemblance import Person, resemblance, squeezed
from shared.tables import Project

PERSON = re.compile(r".*\^.*|[^\W\d_]{2,}, ?[^\W\d_]{2,}.*")
"""A name as DICOM writes it, or as people do: family name, comma, given name."""


def gives_away(row: Row, project: Project) -> str | None:
    """Why the participant looks like the patient's own identity; None: it does not. The router asks the same."""
    person = Person(patient_id=row.patient_id or "", accession_number=row.accession_number or "")
    if (what := resemblance(row.participant, person, project)) is not None:
        return f"resembles the {what}: it has to be a pseudonym"
    if row.study_instance_uid and row.study_instance_uid in row.participant:
        return f"holds the {official('study_instance_uid')}: it has to be a pseudonym"
    if PERSON.fullmatch(row.participant):
        return "looks like a person's name: it has to be a pseudonym"
    return None


def identities(rows: Sequence[Row]) -> frozenset[str]:
    """Every accession number and PatientID of a list, letters and digits only."""
    return frozenset(squeezed(value) for row in rows for value in (row.accession_number, row.patient_id) if value)
