"""What is wrong with a row, by itself and beside the others; the reason never says whose it is."""

from typing import Any

import pytest

from services.api.coupling.checks import Terms, check
from services.api.coupling.likeness import gives_away
from services.api.coupling.rows import SHOWN, Flaws, Row
from services.api.coupling.sealing import keyed, once
from shared.crypto import Vault
from shared.tables import Project

MINE = Project(
    name="ABCD-study", participant_pattern="X.+", events=["baseline", "blood"], events_without_images=["blood"]
)
TERMS = Terms(MINE, frozenset({"ABCD-study", "OTHER-study"}))
VAULT = Vault(b"k" * 32)


def row(line: int = 2, participant: str = "X1", event: str = "baseline", **fields: str) -> Row:
    return Row(line, participant, event, **(fields or {"accession_number": "A1"}))


@pytest.mark.parametrize(
    ("wrong", "field", "why"),
    [
        (row(participant=""), "participant", "is missing"),
        (row(participant="Y1"), "participant", "(X.+)"),
        (row(participant="X" * 67), "participant", "is 3 characters too long"),
        (row(event="never"), "event", "there are: baseline"),
        (row(event="blood"), "event", "there are: baseline"),
        (row(project="ABCD-study"), "accession_number", "names no study"),
        (row(accession_number="A1", issuer="HUS"), "issuer", "of no PatientID"),
        (row(study_instance_uid="1.2.x"), "study_instance_uid", "is no UID"),
        (row(accession_number="A\\1"), "accession_number", "backslash"),
        (row(accession_number="A1", project="OTHER-study"), "project", "is another project than the list's"),
        (row(accession_number="A1", project="nowhere"), "project", "there is no such project"),
        (row(participant="XA1234567", accession_number="A-123/4567"), "participant", "resembles the AccessionNumber"),
        (row(participant="X12", patient_id="x-12"), "participant", "resembles the PatientID"),
        (row(participant="X Doe^Jane"), "participant", "looks like a person's name"),
        (row(participant="Xansen, Kari"), "participant", "looks like a person's name"),
        (row(participant="X 139052 08009"), "participant", "national identity number"),
    ],
)
def test_what_is_wrong_with_a_row(wrong: Row, field: str, why: str) -> None:
    flaws = Flaws()
    assert check([wrong], TERMS, flaws) == []
    assert [each.field for each in flaws.kept] == [field]
    assert why in flaws.kept[0].reason
    assert flaws.lines == {2}


def test_a_pseudonym_is_nobody_elses_number() -> None:
    flaws = Flaws()
    good = check([row(2, "X7"), row(3, "X2", accession_number="x-7")], TERMS, flaws)
    assert [each.line for each in good] == [3]
    assert "of another line" in flaws.kept[0].reason


def test_a_short_number_may_be_part_of_a_pseudonym() -> None:
    assert gives_away(row(participant="X-0012", accession_number="12"), MINE) is None


def test_all_flaws_are_counted_and_the_first_are_kept() -> None:
    flaws = Flaws()
    check([row(line, participant="") for line in range(SHOWN + 50)], TERMS, flaws)
    assert (len(flaws.kept), flaws.total) == (SHOWN, SHOWN + 50)


def test_a_study_is_named_once() -> None:
    flaws = Flaws()
    rows = [
        row(2, accession_number="A1"),
        row(3, accession_number="A1"),
        row(4, "X2", accession_number="A1"),
        row(5, "X2", patient_id="A1"),
        row(6, accession_number="A1", patient_id="P1"),
        row(7, accession_number="A2", patient_id="P1"),
        row(8, accession_number="A2", patient_id="P2"),
        row(9, accession_number="A2", patient_id="P1", issuer="HUS"),
        row(10, accession_number="A2", patient_id="P1"),
    ]
    found = once([keyed(each, VAULT, seal=False) for each in rows], flaws)
    assert [each.row.line for each in found.by_key.values()] == [2, 5, 7]
    assert found.repeated == [3, 10]
    assert [(each.line, each.reason[:6]) for each in flaws.kept] == [
        (4, "line 2"), (6, "line 2"), (8, "line 7"), (9, "line 7"),
    ]  # fmt: skip
    assert {each.reason[6:] for each in flaws.kept} == {" says otherwise of it"}


@pytest.mark.parametrize(
    ("there", "said", "otherwise", "more"),
    [
        ({}, {}, None, ()),
        ({"accession_number": "A1"}, {"accession_number": "A1"}, None, ()),
        ({"accession_number": "A1"}, {"accession_number": "A2"}, "accession_number", None),
        ({"accession_number": "A1"}, {}, None, ()),
        ({}, {"accession_number": "A1"}, None, ("accession",)),
        ({}, {"accession_number": "A1", "patient_id": "P1"}, None, ("accession", "patient")),
        ({"patient_id": "P1"}, {"accession_number": "A1"}, None, ("accession",)),
        ({"patient_id": "P1"}, {"patient_id": "P2"}, "patient_id", None),
        ({"patient_id": "P1"}, {"patient_id": "P1", "issuer": "HUS"}, None, ("patient",)),
        ({"patient_id": "P1"}, {"patient_id": "P2", "issuer": "HUS"}, "patient_id", None),
        ({"patient_id": "P1", "issuer": "HUS"}, {"patient_id": "P1"}, None, ()),
        ({"patient_id": "P1", "issuer": "HUS"}, {"patient_id": "P2"}, "patient_id", None),
        ({"patient_id": "P1", "issuer": "HUS"}, {"patient_id": "P1", "issuer": "OUS"}, "patient_id", None),
        ({"patient_id": "P1", "issuer": "HUS"}, {"patient_id": "P2", "issuer": "HUS"}, "patient_id", None),
        ({"patient_id": "P1", "issuer": "HUS"}, {"patient_id": "P1", "issuer": "HUS"}, None, ()),
    ],
)
def test_what_a_row_says_beside_an_entry(
    there: dict[str, str], said: dict[str, str], otherwise: str | None, more: tuple[str, ...] | None
) -> None:
    before, after = (
        keyed(Row(2, "X1", "baseline", study_instance_uid="1.2.3", **fields), VAULT, seal=True)
        for fields in (there, said)
    )
    assert after.contradicted(before.names, VAULT) == otherwise
    if more is None:
        return
    columns: dict[str, Any] = {}
    if "accession" in more:
        columns |= {"accession_hash": after.accession_hash, "accession_number": after.accession_number}
    if "patient" in more:
        columns |= {"patient_hash": after.patient_hash, "patient_id": after.patient_id, "issuer": said.get("issuer")}
    assert after.adds(before.names) == columns


def test_the_most_exact_is_the_key_and_names_are_sealed() -> None:
    made = keyed(row(study_instance_uid="1.2.3", accession_number="A1", patient_id="P1"), VAULT, seal=True)
    assert made.key == "1.2.3"
    assert VAULT.decrypt(made.patient_id or b"") == "P1"
    assert made.patient_hash == VAULT.hash("patient id", "P1")
    of_issuer = keyed(row(patient_id="P1", issuer="HUS"), VAULT, seal=False)
    assert of_issuer.key == VAULT.hash("patient", "P1", "HUS")


def test_problems_come_by_lines_whatever_found_them() -> None:
    flaws = Flaws()
    for line in (*range(1000, 1000 + SHOWN), 7, 3, 2000, 7):
        flaws.add(line, "event", f"of line {line}")
    assert [flaw.line for flaw in flaws.kept] == [3, 7, 7, *range(1000, 1000 + SHOWN - 3)]
    assert flaws.total == SHOWN + 4
