"""A participant is not called after the patient. All people here are made up."""

import pytest

from shared.registry.resemblance import Person, is_national_id, resemblance
from shared.tables import Project

PERSON = Person("PAT-48213", "Åsnes-Bø^Kåre Ørn^^Dr", "ACC 0099123", "19630417")
PROJECT = Project(name="ABCD-study", participant_pattern="ABCD-.*")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("ABCD-0017", None),
        ("ABCD-4821", None),
        ("PAT-48213", "PatientID"),
        ("ABCD-pat48213", "PatientID"),
        ("48213", "PatientID"),
        ("213", None),
        ("ABCD-99123", "AccessionNumber"),
        ("acc0099123", "AccessionNumber"),
        ("ABCD-Kare", "PatientName"),
        ("ABCD kåre", "PatientName"),
        ("ABCD-asnes", "PatientName"),
        ("ABCDorn2", None),
        ("ABCD_bo", "PatientName"),
        ("ABCDAASNES", "PatientName"),
        ("1ASNESBO", "PatientName"),
        ("ABCD-1963-04-17", "PatientBirthDate"),
        ("ABCD-170463", "PatientBirthDate"),
        ("ABCD-17041963", "PatientBirthDate"),
        ("ABCD 010107 50160", "national identity number"),
    ],
)
def test_what_a_name_tells(name: str, what: str | None) -> None:
    assert resemblance(name, PERSON, PROJECT) == what


def test_what_the_project_says_of_itself_tells_nothing() -> None:
    phantom = Person("ABCD", "ABCD^Phantom^4", "", "")
    assert resemblance("ABCD-0017", phantom, PROJECT) is None
    assert resemblance("ABCD-phantom", phantom, PROJECT) == "PatientName"


def test_a_patient_id_that_is_a_pseudonym_already() -> None:
    typed = Person("ABCD-0017", "ABCD-0017", "", "")
    assert resemblance("ABCD-0017", typed, PROJECT) is None
    assert resemblance("ABCD-00178", typed, PROJECT) == "PatientID", "another one's, with a slip"
    assert resemblance("ABCD-0017", typed, Project(name="OTHERS", participant_pattern=".+")) == "PatientID"


@pytest.mark.parametrize(
    ("number", "proves"),
    [
        ("01010750160", True),
        ("010107 50160", True),
        ("X01010750160Y", True),
        ("01010750161", False),
        ("32130750160", False),
        ("00000000000", False),
        ("12345678901", False),
        ("0101075016", False),
    ],
)
def test_national_identity_numbers_prove_themselves(number: str, proves: bool) -> None:
    assert is_national_id(number) == proves


def test_somebody_of_whom_nothing_is_known() -> None:
    assert resemblance("ABCD-0017", Person(), PROJECT) is None
