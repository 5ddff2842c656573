"""A folder de-identified without any service: every file is written or quarantined with its reason.

The report names no input file, as names carry identity. A file's `number` is its place in the sorted list of the
input folder's files, counted from 1: `numbered(folder)` gives that list back to whoever holds the originals. Its
`sha256` is over the content, for the case that the folder has changed since.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain, count
from pathlib import Path, PurePath

from deidentification.errors import CannotDeidentify
from deidentification.instance import Deidentified, Names, by_series, deidentify_all
from deidentification.profiles.compiled import digest as digest_of
from deidentification.profiles.model import Profile
from deidentification.subject import Subject

CONFLICT = "another file of this run is a different object with the same SOP Instance UID"
REPORT = "report.json"
WORK = ".work"
BATCH = 16
CHUNK = 1024 * 1024


class FolderError(Exception):
    """The run itself cannot be done: folders that lie in each other, an output that cannot be written."""


@dataclass(frozen=True)
class Written:
    """One file that passed: its number and its path relative to the output folder."""

    number: int
    path: str
    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True)
class Quarantined:
    """One file that stays: its number, the digest of its content, and why."""

    number: int
    sha256: str
    rule: str
    reason: str
    where: str


@dataclass
class Report:
    """What became of every file; written to OUT_DIR/report.json."""

    profile: dict[str, object]
    files: int
    written: list[Written] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    duplicates: int = 0
    actions: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Whether every file is accounted for."""
        return self.files == len(self.written) + len(self.quarantined) + self.duplicates

    def as_json(self) -> str:
        """The report as it is stored."""
        counts = {
            "files": self.files,
            "written": len(self.written),
            "quarantined": len(self.quarantined),
            "duplicates": self.duplicates,
        }
        content = {
            "profile": self.profile,
            "counts": counts,
            "actions": dict(sorted(self.actions.items())),
            "reasons": dict(sorted(Counter(entry.rule for entry in self.quarantined).items())),
            "written": [asdict(entry) for entry in self.written],
            "quarantined": [asdict(entry) for entry in self.quarantined],
        }
        return json.dumps(content, indent=1) + "\n"


@dataclass(frozen=True)
class Outcome:
    """What a worker says of one file: a result waiting under `.work`, or a refusal."""

    number: int
    result: Deidentified | None
    refusal: Quarantined | None


Batch = list[tuple[int, Path]]
Progress = Callable[[int, int], None]


def numbered(folder: Path) -> list[Path]:
    """Every file below `folder` in the order that the report numbers them from 1."""
    found = (Path(base, name) for base, _, names in os.walk(folder) for name in names)
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(folder)))


def deidentify_folder(
    in_dir: Path, out_dir: Path, subject: Subject, profile: Profile, workers: int = 1,
    on_progress: Progress | None = None,
) -> Report:  # fmt: skip
    """De-identify every file below `in_dir` into `out_dir`; `on_progress(done, total)` after each.

    Raises FolderError when the run itself cannot be done. Two files that become the same instance: once when their
    results agree, else the later one in order is quarantined.
    """
    _check(in_dir, out_dir)
    files = numbered(in_dir)
    report = Report(
        {
            "name": profile.name,
            "version": profile.version,
            "options": sorted(profile.options),
            "digest": digest_of(profile),
        },
        len(files),
    )
    work = out_dir / WORK
    task = partial(_some, work=work, subject=subject, profile=profile)
    taken: set[str] = set()
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with _mapped(task, _batches(files), workers) as outcomes:
            for done, outcome in enumerate(outcomes, 1):
                _settle(outcome, files, out_dir, taken, report)
                if on_progress:
                    on_progress(done, len(files))
        _store(out_dir / REPORT, report.as_json())
    except OSError as problem:
        raise FolderError(f"the output cannot be written (errno {problem.errno})") from problem
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not report.whole:
        raise FolderError("not every file is accounted for")
    return report


def _check(in_dir: Path, out_dir: Path) -> None:
    source, target = in_dir.resolve(), out_dir.resolve()
    if not source.is_dir():
        raise FolderError("the input is not a folder")
    if source == target or source in target.parents or target in source.parents:
        raise FolderError("input and output must not lie in each other")
    if target.is_dir() and any(target.iterdir()):
        raise FolderError("the output folder is not empty: its report would not account for what is there")


def _batches(files: list[Path]) -> list[Batch]:
    """The files with their numbers, some at a time."""
    numbers = list(enumerate(files, 1))
    return [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]


@contextmanager
def _mapped(task: Callable[[Batch], list[Outcome]], batches: list[Batch], workers: int) -> Iterator[Iterator[Outcome]]:
    """Outcomes in the files' order, from this process or from `workers` others."""
    if workers <= 1:
        yield chain.from_iterable(map(task, batches))
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield chain.from_iterable(pool.map(task, batches))


def _some(batch: Batch, work: Path, subject: Subject, profile: Profile) -> list[Outcome]:
    """Some files, in a worker: each result under `.work`."""
    unique = count()

    def layout(names: Names) -> PurePath:
        return PurePath(f"{names.sop_instance_uid}.{batch[0][0]}.{next(unique)}")

    results = deidentify_all((path for _, path in batch), work, subject, profile, layout)
    return [
        Outcome(number, None, Quarantined(number, digest(path), result.rule, result.reason, result.where))
        if isinstance(result, CannotDeidentify)
        else Outcome(number, result, None)
        for (number, path), result in zip(batch, results, strict=True)
    ]


def _settle(outcome: Outcome, files: list[Path], out_dir: Path, taken: set[str], report: Report) -> None:
    """Give a result its place, or note why there is none."""
    result = outcome.result
    if result is None:
        if outcome.refusal:
            report.quarantined.append(outcome.refusal)
        return
    held = out_dir / WORK / result.path
    names = Names(result.study_instance_uid, result.series_instance_uid, result.sop_instance_uid, result.modality)
    relative = by_series(names).as_posix()
    final = out_dir / relative
    if result.sop_instance_uid in taken:
        if final.exists() and digest(held) == digest(final):
            report.duplicates += 1
        else:
            report.quarantined.append(
                Quarantined(outcome.number, digest(files[outcome.number - 1]), "conflict", CONFLICT, "(0008,0018)")
            )
        held.unlink()
        return
    taken.add(result.sop_instance_uid)
    final.parent.mkdir(exist_ok=True)
    held.rename(final)
    report.written.append(Written(outcome.number, relative, result.sop_class_uid, result.transfer_syntax_uid))
    report.actions.update(result.actions)


def digest(path: Path) -> str:
    """SHA-256 of a file's content; empty when it cannot be read."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _store(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
