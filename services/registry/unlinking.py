"""De-identified instances once more, under a key that nobody keeps: in a process of its own, series by series."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePath
from typing import Final

from deidentification import CannotDeidentify, Deidentified, LeftOut, Names, Profile, Subject, deidentify_all
from deidentification.processes import Limits, Lost, Processes
from deidentification.profiles import read_profile
from shared.manifest import Manifest, ManifestInstance, write_manifest
from shared.store import Store

BATCH: Final = 16
Answer = Deidentified | CannotDeidentify | LeftOut


@cache
def anonymous_profile() -> Profile:
    """What full anonymisation does, as anyone may read it: anonymous.yaml."""
    return read_profile(Path(__file__).with_name("anonymous.yaml").read_text("utf-8"))


@dataclass(frozen=True)
class UnlinkedFiles:
    """A series under its new identity; `left_behind` could not be de-identified whole a second time."""

    study_instance_uid: str
    series_instance_uid: str
    manifest: str
    instances: int
    left_behind: int


class Again:
    """The task of one series, in its process."""

    def __init__(self, target: Path, subject: Subject) -> None:
        self.target, self.subject = target, subject

    def __call__(self, items: Iterator[Path]) -> Iterator[Answer]:
        """One answer per file; what was written comes without its elements."""
        for answer in deidentify_all(items, self.target, self.subject, anonymous_profile(), _by_instance):
            yield replace(answer, elements=(), findings=None) if isinstance(answer, Deidentified) else answer

    def harvest(self) -> None:
        """Nothing is counted: what is left is of nobody."""


class Unlinker:
    """A process that de-identifies again, for as long as one project takes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._processes = Processes(1, Limits())

    def series(self, transfer: str, series: str, files: Sequence[Path], subject: Subject) -> UnlinkedFiles | None:
        """Write a series of one transfer; None when nothing of it can be. Raises OSError, Broken."""
        new_series = subject.new_uid(series)
        folder = self._store.anonymized(transfer, new_series, 1)
        batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
        task = Again(self._store / folder, subject)
        answers = [answer for future in self._processes.run(task, batches) for answer in future.result().answers]
        written = [answer for answer in answers if isinstance(answer, Deidentified)]
        if not written:
            shutil.rmtree(self._store / folder, ignore_errors=True)
            return None
        manifest = Manifest(
            study_instance_uid=written[0].study_instance_uid,
            series_instance_uid=written[0].series_instance_uid,
            instances=tuple(ManifestInstance.of(folder, each) for each in written),
        )
        write_manifest(self._store, f"{folder}/manifest.json", manifest)
        return UnlinkedFiles(
            manifest.study_instance_uid,
            manifest.series_instance_uid,
            f"{folder}/manifest.json",
            len(written),
            sum(isinstance(answer, CannotDeidentify | Lost) for answer in answers),
        )

    def close(self) -> None:
        """End the process."""
        self._processes.close()


def opened(store: Store) -> "closing[Unlinker]":
    """An Unlinker that is closed at the end of the block."""
    return closing(Unlinker(store))


def _by_instance(names: Names) -> PurePath:
    return PurePath(f"{names.sop_instance_uid}.dcm")
