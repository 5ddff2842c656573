"""A folder de-identified without any service: every file is written, left out or quarantined with its reason.

`numbered(folder)` gives the list in which the report numbers the files back to whoever holds the originals.
"""

import hashlib
import os
import secrets
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePath
from typing import Final

from deidentification.errors import CannotDeidentify, LeftOut
from deidentification.instance import Deidentified, Names, by_series, deidentify_all
from deidentification.participants import Participants, patient_id
from deidentification.processes import Blamed, Broken, Limits, Lost, Processes, Settled
from deidentification.profiles.model import Profile
from deidentification.report.account import LeftAside, Quarantined, Report, Written
from deidentification.review import Kept, Tally, elements_of
from deidentification.subject import Subject

__all__ = ["FolderError", "Report", "deidentify_folder", "not_entered", "numbered"]

CONFLICT: Final = "another file of this run is a different object with the same SOP Instance UID"
REPORT: Final = "report.json"
WORK: Final = ".work"
BATCH: Final = 16
CHUNK: Final = 1024 * 1024
UNREADABLE: Final = "unreadable"


class FolderError(Exception):
    """The run itself cannot be done: folders that lie in each other, an output that cannot be written."""


@dataclass(frozen=True)
class Outcome:
    """What a process says of one file: a result waiting under `.work` and whose it became, or why there is none.

    `patient` tells the source's patients apart, by a hash that means nothing after the run; set once per study.
    """

    number: int
    result: Deidentified | None = None
    kept_back: Quarantined | LeftAside | None = None
    participant: str = ""
    patient: bytes = b""


Numbered = tuple[int, Path]
Progress = Callable[[int, int], None]


def numbered(folder: Path) -> list[Path]:
    """Every file below `folder` in the order that the report numbers them from 1."""
    found = (Path(base, name) for base, _, names in os.walk(folder) for name in names)
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(folder)))


def not_entered(folder: Path) -> int:
    """How many folders below `folder` are symbolic links: they could lead anywhere, so nobody goes through them."""
    return sum(os.path.islink(os.path.join(base, name)) for base, names, _ in os.walk(folder) for name in names)


def deidentify_folder(
    in_dir: Path, out_dir: Path, subject: Subject, profile: Profile, workers: int = 1,
    on_progress: Progress | None = None, participants: Participants | None = None, limits: Limits | None = None,
    with_values: bool = False,
) -> Report:  # fmt: skip
    """De-identify every file below `in_dir` into `out_dir`; `on_progress(done, total)` after each.

    `participants` says who becomes whom; without it everybody becomes `subject`. A file that crashes, hangs or fills
    its process is quarantined alone. Two files that become the same instance: once when their results agree, else
    the later one in order is quarantined. `with_values`: report.json holds the values of the attributes that are
    left. Raises FolderError when the run itself cannot be done.
    """
    _check(in_dir, out_dir)
    files = numbered(in_dir)
    run = _Run(files, out_dir, Report(profile, subject.project, len(files)))
    work = out_dir / WORK
    numbers = list(enumerate(files, 1))
    batches = [numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH)]
    try:
        with closing(Processes(workers, limits or Limits(), fork=True)) as processes:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            pending = deque(processes.run(_Files(work, subject, profile, participants), batches))
            while pending:
                for done in run.settle(pending.popleft()):
                    if on_progress:
                        on_progress(done, len(files))
        report = run.closed(counting=participants is None)
        _store(out_dir / REPORT, report.as_json(with_values))
    except OSError as problem:
        raise FolderError(f"the output cannot be written (errno {problem.errno})") from problem
    except Broken as problem:
        raise FolderError("the processes that de-identify die at once: is the machine out of memory?") from problem
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


class _Files:
    """The task, in a process: each result under `.work`, and what is left in the results counted."""

    def __init__(self, work: Path, subject: Subject, profile: Profile, participants: Participants | None) -> None:
        self.work, self.subject, self.profile, self.participants = work, subject, profile, participants
        self.salt = secrets.token_bytes(16)
        self.studies: set[str] = set()
        self.kept = Kept()

    def __call__(self, items: Iterator[Numbered]) -> Iterator[Outcome]:
        """One outcome per file; raises OSError when the output cannot be written."""
        for whose, group in groupby(items, self._whose):
            if isinstance(whose, CannotDeidentify):
                yield from (Outcome(number, kept_back=_refused(number, path, whose)) for number, path in group)
            else:
                yield from self._same(whose, group)

    def harvest(self) -> Tally:
        """The attributes that are left in what was written since."""
        return self.kept.tally()

    def _whose(self, item: Numbered) -> Subject | CannotDeidentify:
        if self.participants is None:
            return self.subject
        try:
            return self.participants.subject(item[1])
        except OSError as problem:
            raise _unreadable(problem) from None

    def _same(self, subject: Subject, files: Iterator[Numbered]) -> Iterator[Outcome]:
        """Files that become the same person's."""
        asked: deque[Numbered] = deque()
        last: Numbered = (0, Path())

        def paths() -> Iterator[Path]:
            nonlocal last
            for last in files:
                asked.append(last)
                yield last[1]

        def layout(names: Names) -> PurePath:
            return PurePath(f"{names.sop_instance_uid}.{last[0]}")

        try:
            for result in deidentify_all(paths(), self.work, subject, self.profile, layout):
                number, path = asked.popleft()
                if isinstance(result, Deidentified):
                    yield self._written(number, path, result, subject)
                else:
                    yield Outcome(number, kept_back=_refused(number, path, result))
        except OSError:
            # The output's fault or the file's? Reading it tells.
            try:
                with last[1].open("rb") as file:
                    while file.read(CHUNK):
                        pass
            except OSError as problem:
                raise _unreadable(problem) from None
            raise

    def _written(self, number: int, path: Path, result: Deidentified, subject: Subject) -> Outcome:
        self.kept.add(result)
        findings = result.findings and replace(result.findings, before=b"", after=b"")
        patient = b""
        if self.participants is None and result.study_instance_uid not in self.studies:
            self.studies.add(result.study_instance_uid)
            patient = hashlib.blake2b(patient_id(path).encode(), key=self.salt, digest_size=16).digest()
        slim = replace(result, elements=(), findings=findings)
        return Outcome(number, slim, participant=subject.participant, patient=patient)


def _unreadable(problem: OSError) -> Blamed:
    return Blamed(UNREADABLE, f"the file cannot be read (errno {problem.errno})")


def _refused(number: int, path: Path, why: CannotDeidentify | LeftOut) -> Quarantined | LeftAside:
    if isinstance(why, LeftOut):
        return LeftAside(number, why.rule, why.reason)
    if why.rule == UNREADABLE and not path.exists():
        why = CannotDeidentify("missing", "the file has gone since the run began")
    return Quarantined(number, digest(path), why.rule, why.reason, why.where)


class _Run:
    """The account while it is made, in the files' order."""

    def __init__(self, files: list[Path], out_dir: Path, report: Report) -> None:
        self.files, self.out_dir, self.report = files, out_dir, report
        self.done = 0
        self.taken: set[str] = set()
        self.participants: set[str] = set()
        self.patients: set[bytes] = set()

    def settle(self, future: "Future[Settled[Outcome]]") -> Iterator[int]:
        """Account for the next batch; how many files are done, after each."""
        settled: Settled[Outcome] = future.result()
        for tally in settled.harvests:
            self.report.kept.take(tally)
        for answer in settled.answers:
            self.done += 1
            if isinstance(answer, Lost):
                lost = CannotDeidentify(answer.rule, answer.reason)
                self._keep_back(_refused(self.done, self.files[self.done - 1], lost))
            elif answer.kept_back is not None:
                self._keep_back(answer.kept_back)
            elif answer.result is not None:
                self._place(answer, answer.result)
            yield self.done

    def closed(self, counting: bool) -> Report:
        """The account with its last numbers."""
        self.report.participants = len(self.participants)
        self.report.patients = len(self.patients) if counting else None
        return self.report

    def _keep_back(self, entry: Quarantined | LeftAside) -> None:
        if isinstance(entry, LeftAside):
            self.report.left_out.append(entry)
        else:
            self.report.quarantined.append(entry)

    def _place(self, outcome: Outcome, result: Deidentified) -> None:
        """Give a result its place, unless another has it."""
        held = self.out_dir / WORK / result.path
        names = Names(result.study_instance_uid, result.series_instance_uid, result.sop_instance_uid, result.modality)
        relative = by_series(names).as_posix()
        final = self.out_dir / relative
        if outcome.patient:
            self.patients.add(outcome.patient)
        if result.sop_instance_uid in self.taken:
            if final.exists() and digest(held) == digest(final):
                self.report.duplicates += 1
            else:
                conflict = CannotDeidentify("conflict", CONFLICT, ((0x00080018, None),))
                self._keep_back(_refused(outcome.number, self.files[outcome.number - 1], conflict))
            elements, encoding = elements_of(held)
            self.report.kept.remove(elements.items(), encoding)
            held.unlink()
            return
        self.taken.add(result.sop_instance_uid)
        self.participants.add(outcome.participant)
        final.parent.mkdir(exist_ok=True)
        held.rename(final)
        self.report.written.append(Written(outcome.number, relative, result.sop_class_uid, result.transfer_syntax_uid))
        self.report.actions.update(result.actions)
        if result.findings is not None:
            self.report.pixels.add(result.findings)


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
