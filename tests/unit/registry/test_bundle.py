"""Where things lie in an export: two participants never share a folder, and no name leads out of it."""

import pytest

from services.registry.bundle import folder, place
from services.registry.held import Held


@pytest.mark.parametrize(
    ("participant", "there"),
    [
        ("ABCD-0017", "images/ABCD-0017/"),
        ("Å-01", "images/Å-01/"),
        ("Ø-01", "images/Ø-01/"),
        ("A 1", "images/A%201/"),
        ("A.1", "images/A%2E1/"),
        ("A_1", "images/A_1/"),
        ("A%201", "images/A%25201/"),
        ("..", "images/%2E%2E/"),
        ("A/1", "images/A%2F1/"),
    ],
)
def test_every_participant_has_a_folder_of_its_own(participant: str, there: str) -> None:
    assert folder(participant) == there
    held = Held(participant, "år 1", "1.2", "1.2.3", "1.2.3.4", "anonymized/t/1.2.3.1/1.dcm")
    assert place(held) == f"{there}år%201/1.2/1.2.3/1.2.3.4.dcm"
