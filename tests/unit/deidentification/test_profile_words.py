"""What is said of a profile: explanations, differences, warnings, codes and the digest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deidentification import BASIC, BUILT_IN, Option, Profile
from deidentification.profiles import (
    FIONA,
    dates_modified,
    diff,
    digest,
    explain,
    profile_codes,
    profile_method,
    read_profile,
    warnings,
)
from deidentification.profiles.compiled import compiled
from deidentification.profiles.rules import Act
from deidentification.standard.dictionary import TAGS

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("profile", "keyword", "sentence"),
    [
        (
            BASIC,
            "OperatorsName",
            "OperatorsName is removed (PS3.15 E.1-1 Basic: X/Z/D, Type 3 here).",
        ),
        (
            BASIC,
            "StudyDate",
            "StudyDate is moved by the participant's days (PS3.15 E.1-1 Modified Dates: C, clean).",
        ),
        (
            FIONA,
            "StudyDate",
            "StudyDate is moved by -42 days (PS3.15 E.1-1 Modified Dates: C, clean).",
        ),
        (
            FIONA,
            "AccessionNumber",
            "AccessionNumber is replaced by the project's keyed hash of it "
            "(the project's own rule).",
        ),
        (
            FIONA,
            "BodyPartExamined",
            "BodyPartExamined stays when it is a term that the Standard defines, otherwise it becomes BODYPART "
            "(the project's own rule).",
        ),
        (BASIC, "ContentLabel", "ContentLabel gets a dummy value (not in E.1-1, and reviewed: "),
        (BASIC, "PatientName", "PatientName carries the new identity; inside items it stays without a value"),
        (BASIC, "Manufacturer", "Manufacturer stays as it is (data dictionary)."),
    ],
)  # fmt: skip
def test_explanations_are_sentences(profile: Profile, keyword: str, sentence: str) -> None:
    assert explain(profile, TAGS[keyword], CT).sentence.startswith(sentence)


def test_an_explanation_names_row_type_and_nested_variant() -> None:
    found = explain(BASIC, TAGS["InstitutionCodeSequence"], CT)
    assert (found.keyword, found.vr, found.type, found.nested_type) == ("InstitutionCodeSequence", "SQ", "", "1")
    assert found.row == "E.1-1 (2026c) Institution Code Sequence: Basic X/Z/D, Retain Institution Identity K"
    assert (found.act, found.code, found.source) == (Act.CODE, "X/Z/D", "E.1-1")
    operators = explain(BASIC, TAGS["InstitutionName"], CT)
    assert (operators.type, operators.act, operators.nested_type, operators.nested_act) == (
        "3", Act.DROP, "1", Act.DUMMY,
    )  # fmt: skip


def test_the_worked_example_is_a_profile_and_says_what_it_says() -> None:
    page = (Path(__file__).parents[3] / "docs/deidentification/profiles.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    quoted = " ".join(line.removeprefix("> ") for line in page.splitlines() if line.startswith("> "))
    assert explain(read_profile(example), TAGS["OperatorsName"], CT).sentence == quoted


def test_private_and_unknown_attributes_are_explained() -> None:
    assert explain(BASIC, 0x00291010).sentence == "(0029,1010) is removed (E.1-1 private attributes)."
    assert explain(BASIC, 0x12341234).sentence == "(1234,1234) is removed (nobody defines it)."
    assert explain(FIONA, 0x60023000).sentence == "(6002,3000) is removed (PS3.15 E.1-1 Overlay Data: X)."
    assert explain(FIONA, 0x50002000).sentence == "(5000,2000) is removed (PS3.15 E.1-1 Curve Data: X)."


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_attribute_has_a_sentence(name: str) -> None:
    for tag in compiled(BUILT_IN[name]).rules:
        found = explain(BUILT_IN[name], tag, CT)
        assert found.sentence.endswith(".")
        assert "{" not in found.sentence


def test_no_difference_to_itself() -> None:
    assert diff(FIONA, FIONA, CT) == []


def test_differences_name_attributes_and_policies() -> None:
    other = read_profile("name: x\nbase: basic\nattributes: {StationName: hash}\ndrop: [{modality: PR}]")
    assert [(change.keyword, change.tag, change.before, change.after) for change in diff(BASIC, other, CT)] == [
        ("StationName", 0x00081010, "is removed", "is replaced by the project's keyed hash of it"),
        ("drop", None, "none", "modality PR"),
    ]  # fmt: skip


def test_how_far_dates_move_is_one_difference_not_two_hundred() -> None:
    fixed = read_profile("name: x\nbase: basic\ndates: {shift: fixed, days: -7}")
    assert [change.keyword for change in diff(BASIC, fixed)] == ["dates"]
    full = Profile(name="x", options=frozenset((Option.FULL_DATES,)))
    changes = {change.keyword: (change.before, change.after) for change in diff(BASIC, full)}
    assert changes["StudyDate"] == (
        "is moved by the participant's days",
        "stays when it is a date",
    )


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("options: [retain-device-identity, retain-modified-dates]", "keeps and Modified Dates moves 11 "),
        ("options: [retain-institution-identity]", "InstitutionName at the top level say"),
        ("options: [retain-uids]", "patient ids in many archives"),
        ("options: [retain-full-dates]", "keeps real dates"),
        ("options: []", "intervals are lost"),
        ("pixels: {suspects_pass: true}", "the project answers for it"),
        ("uids: original", "has no key"),
        ("base: fiona", "whoever knows the number can undo it"),
        ("private: [{creator: A, group: '0019'}]", "Private elements of 'A', (0019,xxxx), are kept unseen"),
        ("drop: [{modality: SR}]", "left out by selectors"),
        ("attributes: {PatientWeight: keep}", "PatientWeight is kept as it is, though PS3.15 says X."),
        ("attributes: {StationName: {replace: '{event}'}}", "StationName holds 16 characters"),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    assert any(warning in sentence for sentence in warnings(read_profile(f"name: x\n{text}")))
    assert not any(warning in sentence for sentence in warnings(BASIC))


def test_codes_are_those_of_the_options_in_order() -> None:
    assert [code for code, _ in profile_codes(FIONA)] == [
        "113100", "113101", "113103", "113104", "113105", "113107", "113108", "113111",
    ]  # fmt: skip
    for option in set(Option) - {Option.PIXELS, Option.VISUAL_FEATURES}:
        codes = [code for code, _ in profile_codes(Profile(name="x", options=frozenset((option,))))]
        assert codes[0] == "113100"
        assert len(codes) == 2
    private = read_profile("name: x\nprivate: [{creator: A, group: '0019'}]")
    assert [code for code, _ in profile_codes(private)] == ["113100", "113111"]


def test_codes_are_those_that_pydicom_knows() -> None:
    from pydicom.sr.codedict import Collection

    theirs = {concept.value: concept.meaning for concept in Collection("CID7050").concepts.values()}
    every = Profile(name="x", options=frozenset(Option))
    assert dict(profile_codes(every)) == theirs


def test_methods_fit_lo() -> None:
    longest = Profile(name="n" * 40, version="v" * 16)
    assert all(len(value) <= 64 for value in profile_method(longest))
    assert profile_method(longest)[0].endswith("v" * 16)


@pytest.mark.parametrize(
    ("options", "term"),
    [((), "REMOVED"), ((Option.MODIFIED_DATES,), "MODIFIED"), ((Option.FULL_DATES,), "UNMODIFIED")],
)
def test_what_happened_to_dates(options: tuple[Option, ...], term: str) -> None:
    assert dates_modified(Profile(name="x", options=frozenset(options))) == term


def test_the_digest_is_the_same_in_every_process() -> None:
    program = "from deidentification.profiles import FIONA, digest; print(digest(FIONA))"
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {digest(FIONA)}


def test_the_digest_changes_with_everything_that_decides_the_result() -> None:
    texts = [
        "name: x\nbase: basic",
        "name: y\nbase: basic",
        "name: x\nversion: '2'\nbase: basic",
        "name: x\nbase: fiona",
        "name: x\nbase: basic\nattributes: {StationName: hash}",
        "name: x\nbase: basic\nattributes: {StationName: {action: hash, nested: false}}",
        "name: x\nbase: basic\nattributes: {StationName: {replace: a}}",
        "name: x\nbase: basic\nattributes: {StationName: {replace: b}}",
        "name: x\nbase: basic\nattributes: {StationName: {regex: (a)}}",
        "name: x\nbase: basic\nprivate: [{creator: A, group: '0019'}]",
        "name: x\nbase: basic\ndrop: [{modality: SR}]",
        "name: x\nbase: basic\nonly: [{modality: SR}]",
        "name: x\nbase: basic\npixels: {suspects_pass: true}",
        "name: x\nbase: basic\ndocuments: {pdf: drop}",
        "name: x\nbase: basic\ndates: {shift: fixed}",
        "name: x\nbase: basic\nuids: original",
        "name: x\nbase: basic\noptions: [clean-graphics]",
    ]
    digests = [digest(read_profile(text)) for text in texts]
    assert len(set(digests)) == len(texts)
    assert digest(read_profile("name: x\nbase: basic\ndescription: other words")) == digests[0]
