"""Structured reports: what stays, what is cleaned, what goes, and a tree that still holds together."""

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deidentification import BASIC, Option, Profile
from tests.unit.deidentification.builders import CT, SUBJECT, Bench, ct, encoded

STRUCTURED = Profile(name="sr", options=frozenset((Option.MODIFIED_DATES, Option.STRUCTURED_CONTENT)))
DESCRIBED = Profile(
    name="srd", options=frozenset((Option.MODIFIED_DATES, Option.STRUCTURED_CONTENT, Option.DESCRIPTORS))
)


def item(**attributes: object) -> Dataset:
    """A sequence item."""
    data = Dataset()
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    return data


def code(value: str, meaning: str, scheme: str = "DCM") -> Sequence:
    """A code sequence of one item."""
    return Sequence([item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def content(kind: str, value: str, *children: Dataset, scheme: str = "DCM", **values: object) -> Dataset:
    """A content item with its concept's code, and what is under it."""
    name = code(value, "Concept", scheme)
    made = item(RelationshipType="CONTAINS", ValueType=kind, ConceptNameCodeSequence=name, **values)
    if children:
        made.ContentSequence = Sequence(children)
    return made


def report(*items: Dataset) -> bytes:
    """A comprehensive report with these content items under its root."""
    data = ct(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33", Modality="SR", ValueType="CONTAINER",
        ConceptNameCodeSequence=code("126000", "Imaging Measurement Report"), ContentSequence=Sequence(items),
    )  # fmt: skip
    for keyword in ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel"):
        delattr(data, keyword)
    return encoded(data)


def test_numbers_codes_geometry_and_references_stay(bench: Bench) -> None:
    measured = item(
        NumericValue="42.5", MeasurementUnitsCodeSequence=code("mm", "millimeter", "UCUM"), FloatingPointValue=42.5
    )
    image = item(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.826.0.19700203.3")
    region = content(
        "SCOORD", "111030",
        content("IMAGE", "999002", scheme="99X", ReferencedSOPSequence=Sequence([image])),
        GraphicType="POLYLINE", GraphicData=[1.5, 2.5, 3.5, 4.5],
    )  # fmt: skip
    site = content("CODE", "363698007", scheme="SCT", ConceptCodeSequence=code("39607008", "Lung", "SCT"))
    number = content("NUM", "410668003", region, scheme="SCT", MeasuredValueSequence=Sequence([measured]))
    after = bench.read(report(site, number), STRUCTURED)
    coded, counted = after.ContentSequence
    assert coded.ConceptCodeSequence[0].CodeMeaning == "Lung"
    assert counted.MeasuredValueSequence[0].NumericValue == 42.5
    assert counted.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == "mm"
    assert counted.ContentSequence[0].GraphicData == [1.5, 2.5, 3.5, 4.5]
    reference = counted.ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == SUBJECT.new_uid("1.2.826.0.19700203.3")


@pytest.mark.parametrize("value", ["121071", "121065"])
def test_text_is_a_dummy_unless_it_is_cleaned(bench: Bench, value: str) -> None:
    text = content("TEXT", value, TextValue="Nodule in left lung, seen by Kari Nordmann")
    unlisted = content("TEXT", "999001", scheme="99X", TextValue="Nodule in left lung of Nordmann")
    basic = bench.read(report(text, unlisted), BASIC).ContentSequence
    assert [each.TextValue for each in basic] == ["ANONYMIZED", "ANONYMIZED"]
    structured = bench.read(report(text, unlisted), STRUCTURED).ContentSequence
    assert structured[0].TextValue == "ANONYMIZED", "its row asks for Clean Descriptors"
    assert "Nodule in left lung" in structured[1].TextValue
    cleaned = bench.read(report(text, unlisted), DESCRIBED).ContentSequence
    assert "Nodule in left lung" in cleaned[0].TextValue
    assert not any("Nordmann" in each.TextValue or "Kari" in each.TextValue for each in (*structured, *cleaned))


def test_people_times_and_uids(bench: Bench) -> None:
    after = bench.read(
        report(
            content("PNAME", "121008", PersonName="Lege^Lise"),
            content("DATETIME", "121150", scheme="99X", DateTime="20240311101500"),
            content("DATE", "121150", scheme="99X", Date="20240312"),
            content("UIDREF", "112040", UID="1.2.826.0.19700203.77"),
        ),
        STRUCTURED,
    )
    person, moment, day, uid = after.ContentSequence
    assert person.PersonName == "ANONYMIZED"
    assert moment.DateTime[8:] == "101500"
    assert moment.DateTime[:8] != "20240311"
    assert int(day.Date) - int(moment.DateTime[:8]) in (1, 70, 71, 72, 73, 8870)
    assert SUBJECT.new_uid("1.2.826.0.19700203.77") == uid.UID


def test_concepts_that_go_take_their_subtree_and_references_are_numbered_anew(bench: Bench) -> None:
    accession = content("TEXT", "121022", content("CODE", "121005"), TextValue="ACC4711X")
    measured = content("NUM", "410668003", scheme="SCT", MeasuredValueSequence=Sequence([item(NumericValue="1")]))
    pointing = item(RelationshipType="INFERRED FROM", ReferencedContentItemIdentifier=[1, 2])
    lost = item(RelationshipType="INFERRED FROM", ReferencedContentItemIdentifier=[1, 1, 1])
    holder = content("CODE", "121071", pointing, lost, ConceptCodeSequence=code("39607008", "Lung", "SCT"))
    after = bench.read(report(accession, measured, holder), STRUCTURED)
    assert [each.ValueType for each in after.ContentSequence] == ["NUM", "CODE"]
    references = [each.ReferencedContentItemIdentifier for each in after.ContentSequence[1].ContentSequence]
    assert references == [[1, 1]]


def test_what_identifies_the_device_stays_with_its_option_only(bench: Bench) -> None:
    serial = content("TEXT", "121016", TextValue="SN 771 234")
    assert "ContentSequence" not in bench.read(report(serial)) or not bench.read(report(serial)).ContentSequence
    device = Profile(name="dev", options=frozenset((Option.DEVICE, Option.STRUCTURED_CONTENT)))
    assert bench.read(report(serial), device).ContentSequence[0].TextValue == "SN 771 234"


def test_local_codes_are_cleaned_and_those_of_the_standard_are_not(bench: Bench) -> None:
    local = content("CODE", "121058", ConceptCodeSequence=code("RNC1AA", "CT Thorax Nordmann", "99FJORD"))
    odd = content("CODE", "121058", ConceptCodeSequence=code("Kari N 1970", "x", "99FJORD"))
    standard = content("CODE", "121058", ConceptCodeSequence=code("77477000", "CT scan", "SCT"))
    output = bench.read(report(local, odd, standard))
    first, second, third = (each.ConceptCodeSequence[0] for each in output.ContentSequence)
    assert first.CodeValue == "RNC1AA"
    assert first.CodeMeaning == "CT Thorax"
    assert first.CodingSchemeDesignator == second.CodingSchemeDesignator != "99FJORD"
    assert first.CodingSchemeDesignator.startswith("99")
    assert "Kari" not in second.CodeValue
    assert (third.CodeValue, third.CodingSchemeDesignator, third.CodeMeaning) == ("77477000", "SCT", "CT scan")


def test_a_long_code_of_a_local_scheme_is_replaced(bench: Bench) -> None:
    local = item(CodingSchemeDesignator="99FJORD", CodeMeaning="Thorax", LongCodeValue="Kari was here " * 3)
    known = item(CodingSchemeDesignator="SCT", CodeMeaning="Thorax", LongCodeValue="12345678901234567")
    after = bench.read(encoded(ct(AnatomicRegionSequence=Sequence([local, known])))).AnatomicRegionSequence
    assert len(after[0].LongCodeValue) == 64
    assert "Kari" not in after[0].LongCodeValue
    assert after[1].LongCodeValue == "12345678901234567"


@pytest.mark.parametrize(
    ("age", "unit", "stays"), [("89", "a", True), ("90", "a", False), ("97.5", "a", False), ("300", "mo", True)]
)
def test_an_age_in_a_report_is_not_over_89(bench: Bench, age: str, unit: str, stays: bool) -> None:
    measured = item(NumericValue=age, MeasurementUnitsCodeSequence=code(unit, "unit", "UCUM"))
    number = content("NUM", "121033", MeasuredValueSequence=Sequence([measured]))
    profile = Profile(name="age", options=frozenset((Option.PATIENT_CHARACTERISTICS, Option.STRUCTURED_CONTENT)))
    after = bench.read(report(number), profile).ContentSequence[0].MeasuredValueSequence
    assert [str(each.NumericValue) for each in after] == ([age] if stays else [])


@pytest.mark.parametrize("concept", ["121033", "121032"])
def test_a_text_under_the_concept_of_a_number_or_a_code_does_not_stay(bench: Bench, concept: str) -> None:
    text = content("TEXT", concept, TextValue="95 years, born 12/3-50, sent by Kari Bakke")
    profile = Profile(name="age", options=frozenset((Option.PATIENT_CHARACTERISTICS, Option.STRUCTURED_CONTENT)))
    assert bench.read(report(text), profile).ContentSequence[0].TextValue == "ANONYMIZED"
