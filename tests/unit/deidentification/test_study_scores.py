"""The synthetic study: what it is made of, what a checker says before and after, and the scores of two profiles."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scoring
from benchmarks.answers import Action
from deidentification import CannotDeidentify, Profile, deidentify
from deidentification.errors import LeftOut
from tests.unit.deidentification import study
from tests.unit.deidentification.builders import SUBJECT
from tests.unit.deidentification.checkers import new_errors, program
from tests.unit.deidentification.hostile import BASIC
from tests.unit.deidentification.study_patient import leaks


@pytest.mark.parametrize("name", study.OBJECTS)
def test_the_source_is_full_of_the_patient(name: str) -> None:
    assert len(leaks(study.encoded(name))) > 50


@pytest.mark.parametrize("profile", [BASIC, scoring.RESEARCH], ids=lambda profile: profile.name)
def test_a_checker_finds_nothing_new(profile: Profile, tmp_path: Path) -> None:
    if program("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    new: dict[str, set[str]] = {}
    for name, path in study.laid_out(tmp_path / "in").items():
        try:
            result = deidentify(path, tmp_path / "out", SUBJECT, profile)
        except (CannotDeidentify, LeftOut):
            continue
        found = new_errors(path, tmp_path / "out" / result.path)
        if found:
            new[name] = found
    assert new == {}


def test_basic_loses_no_mark_for_what_must_go() -> None:
    score = scoring.score(scoring.PROFILES["basic"])
    for action in (Action.TEXT_REMOVED, Action.PIXELS_HIDDEN):
        assert score.passed[action] == score.total[action] > 10, score.failed
    held = {"us", "sc"}
    lost = {
        name
        for name, check in score.failed
        if check.action in (Action.DATE_SHIFTED, Action.UID_CONSISTENT, Action.PATID_CONSISTENT, Action.PIXELS_RETAINED)
    }
    assert lost <= held


def test_research_keeps_what_is_wanted() -> None:
    score = scoring.score(scoring.PROFILES["research"])
    assert all(score.total[action] >= 14 for action in Action)
    assert score.overall >= 0.999, score.failed


@pytest.mark.parametrize(
    ("spoil", "action"),
    [
        (lambda data: setattr(data, "PatientName", "ZQ"), Action.TEXT_REMOVED),
        (lambda data: setattr(data, "StudyInstanceUID", "1.2.3"), Action.UID_CONSISTENT),
        (lambda data: setattr(data, "StudyDate", "20240311"), Action.DATE_SHIFTED),
        (lambda data: setattr(data, "PatientID", data.SOPInstanceUID), Action.PATID_CONSISTENT),
        (lambda data: delattr(data, "Rows"), Action.TAG_RETAINED),
        (lambda data: setattr(data, "Modality", ""), Action.TEXT_NOTNULL),
        (lambda data: setattr(data, "PixelData", bytes(len(data.PixelData))), Action.PIXELS_RETAINED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_scorer_sees_what_is_wrong(spoil: Callable[[object], object], action: Action, tmp_path: Path) -> None:
    """One slice of each result is spoiled by hand: the action that it belongs to loses marks."""
    cases = [case for case in scoring.deidentified(BASIC, tmp_path) if case.name in ("ct1", "ct2")]
    assert all(case.after is not None for case in cases)
    sound = scoring.marked(cases)
    spoil(cases[0].after)
    worse = scoring.marked([replace(cases[0]), *cases[1:]])
    assert worse.passed[action] < sound.passed[action]
