"""Coded entries: what a published scheme vouches for, and what somebody wrote beside its name."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deidentification.content import codes, published
from tests.unit.deidentification.builders import Bench, ct, encoded
from tests.unit.deidentification.test_content_reports import code, item


@pytest.mark.parametrize("before", [{"SpecificCharacterSet": "ISO_IR 192"}, {"CodingSchemeVersion": "1"}, {}])
def test_a_local_code_is_settled_wherever_it_begins(bench: Bench, before: dict[str, str]) -> None:
    entry = item(CodeMeaning="henvist av Kari Bakke", **before)
    if "CodingSchemeVersion" not in before:
        entry.CodeValue, entry.CodingSchemeDesignator = "SEEN BY DRKVIST", "99OUS"
    after = bench.read(encoded(ct(ProcedureCodeSequence=Sequence([entry])))).ProcedureCodeSequence[0]
    assert "Bakke" not in after.CodeMeaning
    assert "KVIST" not in after.get("CodeValue", "")
    assert after.get("CodingSchemeDesignator") != "99OUS"


def test_codes_at_the_top_level_go(bench: Bench) -> None:
    after = bench.read(encoded(ct(CodeMeaning="av Kari Bakke", LongCodeValue="Kari Bakke ringte")))
    assert not {"CodeMeaning", "LongCodeValue"} & set(after.dir())


def test_the_name_of_a_scheme_is_cleaned(bench: Bench) -> None:
    schemes = Sequence([item(CodingSchemeDesignator="99OUS", CodingSchemeName="Kari Bakke, Oslo")])
    output = bench.written(encoded(ct(CodingSchemeName="Kari Bakke", CodingSchemeIdentificationSequence=schemes)))
    assert b"Bakke" not in output


def test_a_published_scheme_vouches_only_for_its_own_meanings(bench: Bench) -> None:
    def meaning(entry: Sequence) -> str:
        after: Dataset = bench.read(encoded(ct(ProcedureCodeSequence=entry))).ProcedureCodeSequence[0]
        return str(after.CodeMeaning)

    assert "Bakke" not in meaning(code("T-A0100", "henvist av Kari Bakke", "SRT"))
    assert meaning(code("T-A0100", "Brain", "SRT")) == "Brain"
    assert meaning(code("113935", "AAPM 204 AP Dimension")) == "AAPM 204 AP Dimension"
    assert meaning(code("mm", "mm", "UCUM")) == "mm"
    assert "brain" in published.meanings("T-A0100", "SRT")
    assert not published.meanings("T-A0100", "99OUS")


@pytest.mark.parametrize(
    ("value", "scheme", "stays"),
    [
        (b"RNC1AA", b"99OUS", True),
        (b"CT.THORAX", b"99OUS", True),
        (b"BAKKE.KARI", b"99OUS", False),
        (b"BAKKE", b"99OUS", False),
        (b"BAKKE1950", b"99OUS", False),
        (b"LIE_OLA", b"99OUS", False),
        (b"Kari Bakke", b"SCT", False),
        (b"BAKKE.KARI", b"SCT", False),
        (b"T-A0100", b"SRT", True),
        (b"77477000", b"SCT", True),
        (b"[arb'U]/mL", b"UCUM", True),
        (b"g/ml{SUVbw}", b"UCUM", True),
    ],
)
def test_values_that_look_like_codes_stay(value: bytes, scheme: bytes, stays: bool) -> None:
    assert codes.stays(value, scheme) is stays


@pytest.mark.parametrize(
    ("value", "stays"), [("12345678901234567", True), ("Kari Bakke 1950", False), ("Bakke.Kari.1950", False)]
)
def test_a_long_value_has_the_shape_of_a_code(bench: Bench, value: str, stays: bool) -> None:
    entry = item(LongCodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning="Brain")
    after = bench.read(encoded(ct(ProcedureCodeSequence=Sequence([entry])))).ProcedureCodeSequence[0]
    assert (after.LongCodeValue == value) is stays
