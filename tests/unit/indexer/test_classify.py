"""Every operator, negation, reference and level of the original's rules."""

import json
from typing import Any

import pytest

from services.indexer.classification import classify, rules
from services.indexer.classification.rules import RulesError
from services.indexer.headers import fields
from tests.unit.indexer.samples import dataset, header

IMAGE = dataset(
    ImageType=["ORIGINAL", "PRIMARY", "M", "ND"],
    EchoTime="4.5",
    RepetitionTime="2000",
    SeriesDescription="T1 mprage",
    ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    PixelSpacing=["0.5", "0.5"],
    ScanningSequence="GR",
    SliceThickness="4.50",
    AcquisitionMatrix=[0, 256, 256, 0],
    PatientComments="",
)
HEADER = header(IMAGE)
FIELDS = fields.image_fields(HEADER) | {"siemensUUID": "abc"}


def types(*entries: dict[str, Any], **more: Any) -> tuple[str, ...]:
    parsed = rules.parse(json.dumps([{"type": "X", "rules": entries, **more}]))
    return classify.classify(HEADER, FIELDS, parsed).types


CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"tag": ["SeriesDescription"], "value": "mprage$"}, True),
    ({"tag": ["SeriesDescription"], "value": "^mprage"}, False),
    ({"tag": ["SeriesDescription"], "value": "T1", "operator": "regexp"}, True),
    ({"tag": ["ImageType"], "value": "'M', 'ND'"}, True),
    ({"tag": ["Missing"], "value": "."}, False),
    ({"tag": ["0x0018", "0x0081"], "operator": "==", "value": 4.5}, True),
    ({"tag": ["0018", "0081"], "operator": "==", "value": "4.50"}, True),
    ({"tag": ["EchoTime"], "operator": "==", "value": "4.6"}, False),
    ({"tag": ["Modality"], "operator": "==", "value": "MR"}, True),
    ({"tag": ["Missing"], "operator": "==", "value": 0}, False),
    ({"tag": ["EchoTime"], "operator": "!=", "value": 5}, True),
    ({"tag": ["EchoTime"], "operator": "!=", "value": 4.5}, False),
    ({"tag": ["Missing"], "operator": "!=", "value": 4.5}, False),
    ({"tag": ["EchoTime"], "operator": "<", "value": "5"}, True),
    ({"tag": ["EchoTime"], "operator": "<", "value": "4.5"}, False),
    ({"tag": ["EchoTime"], "operator": ">", "value": 4}, True),
    ({"tag": ["EchoTime"], "operator": ">", "value": ["RepetitionTime"]}, False),
    ({"tag": ["EchoTime"], "operator": "<", "value": ["RepetitionTime"]}, True),
    ({"tag": ["EchoTime"], "operator": "==", "value": ["0x0018", "0x0050"]}, True),
    ({"tag": ["SeriesDescription"], "operator": ">", "value": 4}, False),
    ({"tag": ["Missing"], "operator": "<", "value": 4}, False),
    ({"tag": ["ImageType"], "operator": "contains", "value": "PRIMARY"}, True),
    ({"tag": ["ImageType"], "operator": "contains", "value": "PRIM"}, False),
    ({"tag": ["SeriesDescription"], "operator": "contains", "value": "mpr"}, True),
    ({"tag": ["Missing"], "operator": "contains", "value": ""}, False),
    ({"tag": ["ImageOrientationPatient"], "operator": "approx", "value": [1, 0, 0, 0, 1, 0.00005]}, True),
    ({"tag": ["ImageOrientationPatient"], "operator": "approx", "value": [1, 0, 0, 0, 1, 0.001]}, False),
    ({"tag": ["ImageOrientationPatient"], "operator": "approx", "value": [1, 0, 0]}, False),
    ({"tag": ["EchoTime"], "operator": "approx", "value": 4.6, "approxLevel": "0.2"}, True),
    ({"tag": ["EchoTime"], "operator": "approx", "value": "4.6"}, False),
    ({"tag": ["Missing"], "operator": "approx", "value": 0}, False),
    ({"tag": ["PixelSpacing"], "operator": "approx", "value": ["0.5", "0.5"]}, True),
    ({"tag": ["EchoTime"], "operator": "exist"}, True),
    ({"tag": ["PatientComments"], "operator": "exist"}, True),
    ({"tag": ["Missing"], "operator": "exist"}, False),
    ({"tag": ["Missing"], "operator": "notexist"}, True),
    ({"tag": ["EchoTime"], "operator": "notexist", "value": ""}, False),
    ({"tag": ["0x0020", "0x0037", "4"], "operator": "==", "value": 1}, True),
    ({"tag": ["0x0020", "0x0037", "6"], "operator": "exist"}, False),
    ({"tag": ["0x0018", "0x0081", "0"], "operator": "==", "value": 4.5}, True),
    ({"tag": ["0x0018", "0x1310", "1"], "operator": "==", "value": 256}, True),
    ({"tag": ["siemensUUID"], "value": "^abc$"}, True),
    ({"tag": ["IncomingConnection"], "operator": "exist"}, False),
]


@pytest.mark.parametrize(("condition", "holds"), CONDITIONS, ids=lambda each: json.dumps(each))
def test_condition_and_its_negation(condition: dict[str, Any], holds: bool) -> None:
    assert (types(condition) == ("X",)) is holds
    assert (types(condition | {"negate": "yes"}) == ("X",)) is not holds


def test_all_conditions_must_hold() -> None:
    yes = {"tag": ["Modality"], "value": "MR"}
    assert types(yes, yes) == ("X",)
    assert types(yes, {"tag": ["Modality"], "value": "CT"}) == ()


def test_rules_refer_to_rules() -> None:
    parsed = rules.parse(
        json.dumps(
            [
                {"type": "B", "rules": [{"rule": "a"}]},
                {"type": "C", "rules": [{"notrule": "a"}]},
                {"type": "D", "rules": [{"notrule": "n"}, {"tag": ["Modality"], "value": "MR"}]},
                {"type": "A", "id": "a", "rules": [{"tag": ["Modality"], "value": "MR"}]},
                {"type": "N", "id": "n", "rules": [{"rule": "a"}, {"tag": ["Modality"], "value": "CT"}]},
            ]
        )
    )
    assert classify.classify(HEADER, FIELDS, parsed).types == ("B", "D", "A")


def test_types_found_before_can_be_asked_for() -> None:
    parsed = rules.parse(
        json.dumps(
            [
                {"type": "A", "rules": []},
                {"type": "B", "rules": [{"tag": ["ClassifyType"], "operator": "contains", "value": "A"}]},
                {"type": "C", "rules": [{"tag": ["ClassifyType"], "operator": "contains", "value": "Z"}]},
            ]
        )
    )
    assert classify.classify(HEADER, FIELDS, parsed).types == ("A", "B")


def test_a_series_level_rule_that_fails_refuses_its_type() -> None:
    fails = {"type": "X", "check": "SeriesLevel", "rules": [{"tag": ["Modality"], "value": "CT"}]}
    holds = {"type": "X", "rules": [{"tag": ["Modality"], "value": "MR"}]}
    verdict = classify.classify(HEADER, FIELDS, rules.parse(json.dumps([holds, fails])))
    assert verdict == ((), ("X",))
    assert types({"tag": ["Modality"], "value": "MR"}, check="SeriesLevel") == ("X",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"type": "A", "id": "a", "rules": [{"rule": "a"}]}], "circle: a -> a"),
        (
            [
                {"type": "A", "id": "a", "rules": [{"rule": "b"}]},
                {"type": "B", "id": "b", "rules": [{"notrule": "a"}]},
            ],
            "circle",
        ),
        ([{"type": "A", "rules": [{"rule": "z"}]}], "'z', which does not exist"),
        ([{"type": "A", "id": "a", "rules": []}, {"type": "B", "id": "a", "rules": []}], "same id"),
        ([{"type": "A", "rules": [{"tag": ["X"], "value": "("}]}], "no regular expression"),
        ([{"type": "A", "rules": [{"tag": []}]}], "0.rules.0.condition.tag"),
        ([{"type": "A", "rules": [{"tag": ["x", "y"]}]}], "group and element"),
        ([{"type": "A", "rules": [{"tag": ["1", "2", "z"]}]}], "0.rules.0"),
        ([{"type": "A", "rules": [{"tag": ["X"], "operator": "~"}]}], "operator"),
        ([{"type": "A", "rules": [{"tag": ["X"], "opperator": "=="}]}], "opperator"),
        ([{"rules": []}], "0.type"),
        ({"type": "A"}, "file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(content: Any, message: str) -> None:
    with pytest.raises(RulesError, match=message.replace("(", r"\(")):
        rules.parse(json.dumps(content))


def test_shipped_rules() -> None:
    shipped = rules.load()
    assert classify.classify(HEADER, FIELDS, shipped).types == ("MR", "T1")
    capture = header(dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.2", Modality="OT"))
    assert classify.classify(capture, {}, shipped).types == ("SECONDARYCAPTURE", "CHECKBURNEDINFO")
    other = header(dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.1", Modality="XC"))
    assert classify.classify(other, {}, shipped).types == ()


def test_every_element_that_a_rule_looks_at_is_read() -> None:
    parsed = rules.parse(
        json.dumps(
            [
                {
                    "type": "A",
                    "rules": [{"tag": ["EchoTime"], "value": ["0x0019", "0x100c"]}, {"tag": ["1", "2", "3"]}],
                }
            ]
        )
    )
    assert parsed.tags == {0x00180081, 0x0019100C, 0x00010002}
