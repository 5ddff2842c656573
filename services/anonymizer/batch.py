"""What a worker process does: de-identify a batch, and be gone when its parent is gone.

Imported by every worker at its start, so it imports the engine and nothing of the service around it.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path, PurePath

from deidentification import CannotDeidentify, Deidentified, Names, Profile, Subject, deidentify_all

GONE = "the file is gone from the archive [missing]"


@dataclass(frozen=True)
class Outcome:
    """What became of one instance: a result, or the reason why it stays here."""

    sop_instance_uid: str
    result: Deidentified | None = None
    reason: str = ""
    where: str = ""


@dataclass(frozen=True)
class Work:
    """Instances (SOP Instance UID, absolute path) of one series that become files in one folder."""

    sources: tuple[tuple[str, Path], ...]
    target: Path
    subject: Subject
    profile: Profile


def follow_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and do not outlive it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()


def warm_up() -> None:
    """In a worker: nothing but the imports that brought us here."""


def deidentify_batch(work: Work) -> list[Outcome]:
    """In a worker: one after the other; what an instance does to the engine stays with that instance."""
    present = [(sop_instance_uid, path) for sop_instance_uid, path in work.sources if path.exists()]
    results = deidentify_all([path for _, path in present], work.target, work.subject, work.profile, by_instance)
    done = [_outcome(sop_instance_uid, result) for (sop_instance_uid, _), result in zip(present, results, strict=True)]
    here = {sop_instance_uid for sop_instance_uid, _ in present}
    return done + [Outcome(uid, reason=GONE) for uid, _ in work.sources if uid not in here]


def _outcome(sop_instance_uid: str, result: Deidentified | CannotDeidentify) -> Outcome:
    if isinstance(result, CannotDeidentify):
        return Outcome(sop_instance_uid, reason=f"{result.reason} [{result.rule}]", where=result.where)
    return Outcome(sop_instance_uid, result)


def by_instance(names: Names) -> PurePath:
    """`<new SOPInstanceUID>.dcm`: the folder is the series."""
    return PurePath(f"{names.sop_instance_uid}.dcm")
