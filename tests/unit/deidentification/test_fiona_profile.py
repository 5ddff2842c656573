"""The ready profile for those who know the original: what it writes where the table says something special."""

from typing import Any

import pytest

from deidentification import Profile
from deidentification.profiles import BUILT_IN, read_profile
from tests.unit.deidentification.builders import Bench, ct, encoded

FIONA = BUILT_IN["fiona"]


def test_study_id_is_the_hash_of_the_study_whatever_it_was(bench: Bench) -> None:
    ids = {bench.read(encoded(ct(StudyID=value)), FIONA).StudyID for value in (None, "", "4711")}
    other = bench.read(encoded(ct(StudyInstanceUID="1.2.826.0.19700203.9")), FIONA).StudyID
    assert len(ids) == 1
    assert len(ids.pop()) == 16
    assert other not in ids


@pytest.mark.parametrize(("part", "written"), [("HEAD", "HEAD"), ("KARIS HEAD", "BODYPART"), ("", "BODYPART")])
def test_body_part_is_a_defined_term_or_says_only_that_there_is_one(bench: Bench, part: str, written: str) -> None:
    assert bench.read(encoded(ct(BodyPartExamined=part)), FIONA).BodyPartExamined == written


def test_dates_move_by_the_same_days_for_everybody(bench: Bench) -> None:
    assert bench.read(encoded(ct()), FIONA).StudyDate == "20240129"


@pytest.mark.parametrize("text", ["Thorax Nordmann", "KARI thorax"])
def test_descriptions_are_cleaned_not_kept(bench: Bench, text: str) -> None:
    assert bench.read(encoded(ct(StudyDescription=text)), FIONA).StudyDescription.strip().casefold() == "thorax"


def test_a_date_that_is_kept_for_several_calibrations_stays_whole(bench: Bench) -> None:
    profile = Profile(name="device", options=frozenset(("retain-device-identity",)))
    dates: Any = ["20240101", "20240311"]
    assert list(bench.read(encoded(ct(DateOfLastCalibration=dates)), profile).DateOfLastCalibration) == dates


def test_a_template_that_does_not_fit_is_refused(bench: Bench) -> None:
    profile = read_profile("name: long\nbase: basic\nattributes: {StationName: '{participant}'}\n".replace(
        "'{participant}'", "{replace: 'A-{participant}-{event}'}"
    ))  # fmt: skip
    assert bench.refusal(encoded(ct(StationName="CT1")), profile).rule == "template"
