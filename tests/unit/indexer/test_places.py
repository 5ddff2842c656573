"""Links stay where they belong, whatever a header says."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.indexer import places
from shared.store import Store

HOSTILE = [
    "../../etc",
    "..",
    ".",
    "/",
    "a/b",
    "\0",
    "",
    "   ",
    "x" * 200,
    "æ" * 200,
    "🧠" * 90,
    "-rf",
    "a\nb",
    "~",
    "..\\x",
]


@pytest.mark.parametrize("patient", HOSTILE)
def test_hostile_patient_ids_stay_below_participants(patient: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = places.participant({"PatientID": patient, "StudyDate": "../..", "StudyTime": "1/2"})
    assert len(Path(place).parts) == 3
    store.link(place, "raw/1.2")
    assert [path.parent.parent for path in tmp_path.rglob("*") if path.is_symlink()] == [tmp_path / "participants"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_becomes_one_component(text: str) -> None:
    name = places.safe_name(text)
    assert name not in ("", ".", "..")
    assert not {"/", "\0", "\n"} & set(name)
    assert not name.startswith(".")
    assert len(name.encode()) < 256


def test_ordinary_ids_are_kept() -> None:
    fields = {"PatientID": "BER_0042 x", "StudyDate": "20240131", "StudyTime": "101530.5"}
    assert places.participant(fields) == "participants/BER_0042 x/20240131_101530.5"
    assert places.safe_name("Åse") == "Åse"


def test_different_hostile_ids_stay_different() -> None:
    assert len({places.safe_name(each) for each in ("a/b", "a\\b", "a:b", "x" * 100, "x" * 101)}) == 5


def test_nothing_known() -> None:
    assert places.participant({}) == "participants/unknown/unknown_unknown"


def test_structured_reports() -> None:
    assert places.report({"Modality": ["MR"]}, "1.2", "1.3") is None
    assert places.report({"Modality": ["SR"]}, "1.2", "1.3") == "srs/_/1.2/1.3"
    assert places.report({"Modality": ["SR"], "Manufacturer": "A C/E"}, "1.2", "1.3") is not None


def test_two_studies_of_one_moment_have_two_links(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for study in ("1.2", "1.3", "1.2"):
        store.link(places.free(store, "participants/p/d_t", f"raw/{study}"), f"raw/{study}")
    links = {path.name: path.readlink().name for path in (tmp_path / "participants/p").iterdir()}
    assert links == {"d_t": "1.2", "d_t_1.3": "1.3"}
