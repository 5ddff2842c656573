"""A series' description is the same in whichever portions its images come, and however often."""

from itertools import permutations

from services.indexer.merge import Types, catalogued, merge_fields, merge_types, series_json


def entry(sop: str) -> dict[str, object]:
    return {"siemensDiffusionInformation": [{"SOPInstanceUID": sop, "B_value": "5"}]}


def test_the_first_image_wins_but_for_what_the_original_excepts() -> None:
    first = {"EchoTime": "1", "SliceLocation": "5.0", "MeasID": "7"} | entry("1")
    second = {"EchoTime": "2", "SliceLocation": "-3", "MeasID": "8", "StudyID": "s"} | entry("2")
    merged = merge_fields({}, [first, second])
    assert merged == {
        "EchoTime": "1",
        "SliceLocation": "-3",
        "MeasID": "8",
        "StudyID": "s",
        "siemensDiffusionInformation": [
            {"SOPInstanceUID": "1", "B_value": "5"},
            {"SOPInstanceUID": "2", "B_value": "5"},
        ],
    }


def test_a_repeated_batch_changes_nothing() -> None:
    images = [{"EchoTime": "1", "SliceLocation": "5"} | entry("1"), {"SliceLocation": "x"} | entry("2")]
    once = merge_fields({}, images)
    assert merge_fields(once, images) == once


def test_a_slice_location_that_is_no_number_never_replaces_one() -> None:
    assert merge_fields({"SliceLocation": "5"}, [{"SliceLocation": "abc"}])["SliceLocation"] == "5"
    assert merge_fields({"SliceLocation": "abc"}, [{"SliceLocation": "5"}])["SliceLocation"] == "5"


def test_types_add_up_and_a_refused_one_never_comes_back_in_any_order() -> None:
    found = [(["A", "T1"], []), (["B"], ["T1"]), (["T1"], []), ([], [])]
    for order in permutations(found):
        current = Types([], [])
        for portion in order:
            current = merge_types(current, [portion])
        assert (set(current.types), current.refused) == ({"A", "B"}, ["T1"])


def test_the_catalogue_keeps_nothing_that_identifies() -> None:
    fields = {
        "PatientID": "x",
        "PatientName": "y",
        "AccessionNumber": "z",
        "StudyDescription": "s",
        "EchoTime": "1",
    }
    assert catalogued(fields | entry("1")) == {"EchoTime": "1"}


def test_series_json_has_its_counts_as_the_original_has() -> None:
    content = series_json({"NumFiles": "9", "ClassifyType": ["old"]}, [{"EchoTime": "1"}], ["MR"], 3)
    assert content == {
        "EchoTime": "1",
        "ClassifyType": ["MR"],
        "NumFiles": "3",
        "siemensDiffusionInformation": [],
    }
