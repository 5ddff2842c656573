"""A score in the manner of MIDI-B: ten actions over a synthetic set with an answer key, passed / total per action.

Usage: python -m benchmarks.scoring [PROFILE…]      basic, research; all without names

What is withheld passes where something had to go and fails where something had to stay. The key is what research
wants, so a strict profile loses marks for what it removes on purpose.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from rich.console import Console
from rich.table import Table

from benchmarks.answers import STAY, Action, Check, answers, leaves, shifted
from deidentification import CannotDeidentify, Option, Subject, deidentify
from deidentification.errors import LeftOut
from deidentification.profiles import BUILT_IN, Profile
from deidentification.profiles.model import Documents, Pixels
from tests.unit.deidentification import study
from tests.unit.deidentification.study_images import BURNED
from tests.unit.deidentification.study_patient import MARK

KEY: Final = bytes(range(32))
RESEARCH: Final = Profile(
    name="research",
    options=frozenset(
        (
            *(Option.MODIFIED_DATES, Option.PATIENT_CHARACTERISTICS, Option.SAFE_PRIVATE, Option.DESCRIPTORS),
            *(Option.STRUCTURED_CONTENT, Option.GRAPHICS, Option.PIXELS),
        )
    ),
    pixels=Pixels(images="suspect"),
    documents=Documents(pdf="drop", cda="drop", model="drop"),
)
PROFILES: Final = {"basic": BUILT_IN["basic"], "research": RESEARCH}
# A second patient of the same length in every byte: same study, other names, ids and UIDs.
OTHER: Final = (
    (b"1.2.826.0.19700203", b"1.2.826.0.19710304"),
    (b"19700203", b"19710304"),
    (b"ZQ03027012345", b"ZQ04037112345"),
    (b"Zqvistgaard^Karianne", b"Zqfjeldvang^Marianne"),
)
REMOVALS: Final = frozenset((Action.TEXT_REMOVED, Action.PIXELS_HIDDEN))


@dataclass
class Score:
    """Marks per action, and the checks that failed."""

    passed: Counter[Action] = field(default_factory=Counter)
    total: Counter[Action] = field(default_factory=Counter)
    failed: Counter[tuple[str, Check]] = field(default_factory=Counter)

    def mark(self, name: str, check: Check, good: bool) -> None:
        """Count one check of the object `name`."""
        self.total[check.action] += 1
        self.passed[check.action] += good
        if not good:
            self.failed[name, check] += 1

    @property
    def overall(self) -> float:
        """Passed of all."""
        return sum(self.passed.values()) / sum(self.total.values())


@dataclass(frozen=True)
class Case:
    """One object before and after; `after` None when it was withheld."""

    patient: int
    name: str
    before: Dataset
    after: Dataset | None


def _read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content), force=True)


def corpus() -> Iterator[tuple[int, str, bytes]]:
    """(patient, object, file) of both patients."""
    for name in study.OBJECTS:
        content = study.encoded(name)
        yield 0, name, content
        for old, new in OTHER:
            content = content.replace(old, new)
        yield 1, name, content


def subject(patient: int) -> Subject:
    """The participant that a patient becomes."""
    return Subject("SCORE", f"SCORE_{patient:03}", "baseline", KEY)


def deidentified(profile: Profile, folder: Path) -> Iterator[Case]:
    """Every object of the corpus through the engine."""
    for patient, name, content in corpus():
        source = folder / f"{patient}-{name}.dcm"
        source.write_bytes(content)
        before = _read(content)
        try:
            result = deidentify(source, folder / "out", subject(patient), profile)
        except (CannotDeidentify, LeftOut):
            yield Case(patient, name, before, None)
        else:
            yield Case(patient, name, before, _read((folder / "out" / result.path).read_bytes()))


def _mapping(cases: list[Case]) -> dict[tuple[int, str], set[str]]:
    """Old UID -> the new ones that objects were given for it, by their own identity."""
    found: dict[tuple[int, str], set[str]] = {}
    for case in cases:
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            old = case.before.get(keyword)
            if old and case.after is not None:
                found.setdefault((case.patient, str(old)), set()).add(str(case.after.get(keyword)))
    return found


def _array(data: Dataset) -> np.ndarray[Any, Any]:
    return np.asarray(data.pixel_array)


def _hidden(case: Case) -> bool:
    """Whether nothing of the text can be told from what is around it."""
    if case.after is None or case.name in STAY:
        return case.after is None
    x, y, width, height = BURNED[case.name]
    box = _array(case.after)[y : y + height, x : x + width]
    return int(box.max()) - int(box.min()) < 24


def _ids(cases: list[Case]) -> dict[int, set[str]]:
    """The PatientIDs that each patient's objects have now."""
    found: dict[int, set[str]] = {0: set(), 1: set()}
    for case in cases:
        if case.after is not None:
            found[case.patient].add(str(case.after.get("PatientID")))
    return found


def _passes(case: Case, check: Check, now: dict[str, list[str]], mapping: dict[tuple[int, str], set[str]]) -> bool:
    """Whether one check of an object holds."""
    values, wanted = now.get(check.keyword, []), check.expected
    if case.after is None:
        return check.action in REMOVALS
    match check.action:
        case Action.TAG_RETAINED:
            return wanted in values
        case Action.TEXT_NOTNULL:
            return any(values)
        case Action.TEXT_RETAINED:
            return any(wanted in value for value in values)
        case Action.TEXT_REMOVED:
            return wanted not in values and not any(MARK in value.upper() for value in values)
        case Action.DATE_SHIFTED:
            return shifted(wanted, subject(case.patient).shift_days) in values
        case Action.UID_CHANGED:
            return wanted not in values
        case Action.UID_CONSISTENT:
            new = mapping.get((case.patient, wanted))
            return new is None or (len(new) == 1 and new <= set(values))
        case Action.PIXELS_RETAINED:
            return bool(case.after.get("PixelData") == case.before.PixelData)
        case Action.PIXELS_HIDDEN:
            return _hidden(case)
        case Action.PATID_CONSISTENT:
            return bool(values[0])
    raise AssertionError(check.action)


def marked(cases: list[Case]) -> Score:
    """The marks of what came out."""
    result = Score()
    mapping, ids = _mapping(cases), _ids(cases)
    one_each = all(len(found) == 1 for found in ids.values()) and not ids[0] & ids[1]
    for case in cases:
        now = {} if case.after is None else leaves(case.after)
        for check in answers(case.name, case.before):
            good = _passes(case, check, now, mapping) and (check.action is not Action.PATID_CONSISTENT or one_each)
            result.mark(case.name, check, good)
    return result


def score(profile: Profile) -> Score:
    """Both patients' studies through the engine, and the marks."""
    with tempfile.TemporaryDirectory() as folder:
        return marked(list(deidentified(profile, Path(folder))))


def show(name: str, result: Score, console: Console, failures: int) -> None:
    """Passed and total per action, overall, and the most frequent failures."""
    table = Table("action", "passed", "total", "%", title=f"profile {name}")
    for action in Action:
        passed, total = result.passed[action], result.total[action]
        table.add_row(action.value, str(passed), str(total), f"{100 * passed / total:.2f}" if total else "")
    table.add_section()
    every = sum(result.total.values())
    table.add_row("overall", str(sum(result.passed.values())), str(every), f"{100 * result.overall:.2f}")
    console.print(table)
    for (instance, check), count in result.failed.most_common(failures):
        console.print(f"  {count} × {instance}: {check.action} {check.keyword} {check.expected}", style="dim")


def main() -> int:
    """Score what is named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", choices=[*PROFILES, []])
    parser.add_argument("--failures", type=int, default=0, metavar="N", help="print the N most frequent failures")
    asked = parser.parse_args()
    for name in asked.profiles or PROFILES:
        show(name, score(PROFILES[name]), Console(), asked.failures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
