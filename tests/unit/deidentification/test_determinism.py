"""The same in, the same out: in another process, zone and order; and what pointed at something still does."""

import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from deidentification import CannotDeidentify, Subject, deidentify, deidentify_all, deidentify_folder
from tests.unit.deidentification import study
from tests.unit.deidentification.builders import KEY, SUBJECT, Bench
from tests.unit.deidentification.hostile import BASIC
from tests.unit.deidentification.study_patient import ROOT, leaks

REPOSITORY = Path(__file__).parents[3]
PASSING = [
    *(
        "ct1",
        "ct2",
        "ct3",
        "pet",
        "enhanced-mr",
        "slide-volume",
        "rtstruct",
        "rtplan",
        "seg",
        "reg",
        "pr",
        "ko",
        "ecg",
        "sr",
    ),
]
CHILD = """
import sys
from pathlib import Path
from deidentification import CannotDeidentify, deidentify_all
from tests.unit.deidentification.builders import SUBJECT
from tests.unit.deidentification.hostile import BASIC
sources = sorted(Path(sys.argv[1]).iterdir(), reverse=sys.argv[3] == "reverse")
for outcome in deidentify_all(iter(sources), Path(sys.argv[2]), SUBJECT, BASIC):
    if isinstance(outcome, CannotDeidentify):
        raise outcome
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The objects of the study that may pass, as files."""
    folder = tmp_path_factory.mktemp("study") / "in"
    study.laid_out(folder, *PASSING)
    return folder


def run(sources: Path, out: Path, order: str, **environment: str) -> dict[str, bytes]:
    """The study through a process of its own."""
    subprocess.run(
        [sys.executable, "-c", CHILD, str(sources), str(out), order],
        check=True, cwd=REPOSITORY, env=os.environ | environment, timeout=120,
    )  # fmt: skip
    return contents(out)


def test_two_processes_write_the_same(sources: Path, tmp_path: Path) -> None:
    one = run(sources, tmp_path / "one", "forward", PYTHONHASHSEED="1", TZ="Europe/Oslo", LC_ALL="C")
    other = run(sources, tmp_path / "other", "reverse", PYTHONHASHSEED="2", TZ="Pacific/Auckland", LC_ALL="C.UTF-8")
    assert one == other
    assert len(one) == len(PASSING)


def test_nothing_of_today_or_of_this_machine_is_in_the_bytes(sources: Path, tmp_path: Path) -> None:
    for result in deidentify_all(sorted(sources.iterdir()), tmp_path, SUBJECT, BASIC):
        assert not isinstance(result, CannotDeidentify)
    now = datetime.now(UTC)
    words = [f"{now + timedelta(days=days):{form}}" for days in (-1, 0, 1) for form in ("%Y%m%d", "%Y-%m-%d")]
    words += [os.uname().nodename, str(tmp_path), str(sources), str(os.getpid()) + ".part"]
    for name, content in contents(tmp_path).items():
        assert [word for word in words if len(word) > 4 and word.encode() in content] == [], name


def test_any_number_of_workers_writes_the_same(sources: Path, tmp_path: Path) -> None:
    alone = [deidentify(path, tmp_path / "alone", SUBJECT, BASIC).path for path in sorted(sources.iterdir())]
    expected = sorted((tmp_path / "alone" / path).read_bytes() for path in alone)
    for workers in (1, 2, 3):
        out = tmp_path / str(workers)
        deidentify_folder(sources, out, SUBJECT, BASIC, workers=workers)
        assert sorted(path.read_bytes() for path in out.rglob("*.dcm")) == expected


MAY_CHANGE = {"UI", "DA", "DT"}
# Layers are renamed by a keyed hash of their names.
RENAMED = {"GraphicLayer"}


@pytest.mark.parametrize("name", PASSING)
def test_a_second_run_changes_pseudonyms_only(bench: Bench, name: str) -> None:
    first = bench.written(study.encoded(name))
    again = bench.written(first)
    once, twice = (list(pydicom.dcmread(BytesIO(content)).iterall()) for content in (first, again))
    assert [element.tag for element in once] == [element.tag for element in twice]
    changed = {
        element.keyword for element, other in zip(once, twice, strict=True)
        if element.VR not in (*MAY_CHANGE, "SQ") and element.value != other.value
    }  # fmt: skip
    assert changed <= RENAMED


def test_a_second_run_without_a_shift_keeps_the_dates(bench: Bench) -> None:
    subject = Subject("NORSTUDY", "NOR_001", "baseline", KEY, date_shift_days=0)
    first = bench.written(study.encoded("pet"), subject=subject)
    once, twice = (pydicom.dcmread(BytesIO(content)) for content in (first, bench.written(first, subject=subject)))
    changed = {element.VR for element in once.iterall() if element.VR != "SQ"} & {
        element.VR for element, other in zip(once.iterall(), twice.iterall(), strict=True)
        if element.VR != "SQ" and element.value != other.value
    }  # fmt: skip
    assert changed == {"UI"}


def through(folder: Path, subject: Subject, *names: str) -> dict[str, Dataset]:
    """These objects of the study, each alone, as another transfer on another day would."""
    paths = study.laid_out(folder / "in", *names)
    made = {name: deidentify(path, folder / "out", subject, BASIC).path for name, path in paths.items()}
    return {name: pydicom.dcmread(folder / "out" / path) for name, path in made.items()}


def uids_of(data: Dataset) -> dict[str, list[str]]:
    """Keyword -> UIDs in the order in which they stand."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for element in data.iterall():
        if element.VR == "UI" and element.value:
            found[element.keyword] += [str(uid) for uid in (element.value if element.VM > 1 else [element.value])]
    return found


def test_every_uid_of_the_study_has_one_new_uid_in_all_objects(tmp_path: Path) -> None:
    """RTSTRUCT, SEG, PR, SR, KO and the registration point at the same images as before, series and runs apart."""
    mapping: dict[str, set[str]] = defaultdict(set)
    for number, names in enumerate((PASSING[:6], PASSING[6:10], PASSING[10:])):
        for name, data in through(tmp_path / str(number), SUBJECT, *names).items():
            before, now = uids_of(pydicom.dcmread(BytesIO(study.encoded(name)))), uids_of(data)
            for keyword, old in before.items():
                if len(now.get(keyword, ())) == len(old):
                    for one, other in zip(old, now[keyword], strict=True):
                        mapping[one].add(other)
    assert {old: new for old, new in mapping.items() if len(new) != 1} == {}
    own = {old: next(iter(new)) for old, new in mapping.items() if old.startswith(ROOT)}
    assert len(own) > 25
    assert len(set(own.values())) == len(own)
    assert all(new == SUBJECT.new_uid(old) for old, new in own.items())
    assert all(
        {old} == new for old, new in mapping.items() if not old.startswith(ROOT) and old.startswith("1.2.840.10008")
    )


def test_objects_point_at_the_images_of_another_transfer(tmp_path: Path) -> None:
    images = through(tmp_path / "a", SUBJECT, "ct1", "ct2", "ct3", "pet")
    objects = through(tmp_path / "b", SUBJECT, "rtstruct", "seg", "pr", "ko", "sr", "reg", "rtplan")
    slices = {str(images[name].SOPInstanceUID) for name in ("ct1", "ct2", "ct3")}
    series, frame = images["ct1"].SeriesInstanceUID, images["ct1"].FrameOfReferenceUID
    for name in ("rtstruct", "seg", "pr", "ko", "sr"):
        found = uids_of(objects[name])
        assert slices & set(found["ReferencedSOPInstanceUID"]), name
        assert objects[name].StudyInstanceUID == images["ct1"].StudyInstanceUID
        if name in ("rtstruct", "pr", "ko", "sr"):
            assert series in found["SeriesInstanceUID"], name
    for name in ("rtstruct", "seg", "reg", "rtplan"):
        assert objects[name].FrameOfReferenceUID == frame, name
    assert str(images["pet"].SOPInstanceUID) in uids_of(objects["reg"])["ReferencedSOPInstanceUID"]
    assert (
        objects["rtplan"].ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID
        == objects["rtstruct"].SOPInstanceUID
    )


def test_participants_have_their_own_dates_and_projects_their_own_uids(tmp_path: Path) -> None:
    keys = {"one": KEY, "two": bytes(reversed(KEY))}
    seen = {
        (project, participant): through(
            tmp_path / project / participant, Subject(project, participant, "e", key), "ct1"
        )["ct1"]
        for project, key in keys.items()
        for participant in ("A", "B")
    }
    assert seen["one", "A"].StudyInstanceUID == seen["one", "B"].StudyInstanceUID != seen["two", "A"].StudyInstanceUID
    assert len({str(data.StudyDate) for data in seen.values()}) == 4
    for data in seen.values():
        assert leaks(str(data).encode()) == []
