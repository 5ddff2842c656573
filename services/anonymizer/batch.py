"""What a worker process does: de-identify a batch, and be gone when its parent is gone.

Imported by every worker at its start, so it imports the engine and nothing of the service around it.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path, PurePath

from services.anonymizer.engine import CannotDeidentify, Deidentified, Names, Profile, Subject, deidentify


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
    return [_one(sop_instance_uid, path, work) for sop_instance_uid, path in work.sources]


def _one(sop_instance_uid: str, path: Path, work: Work) -> Outcome:
    if not path.exists():
        return Outcome(sop_instance_uid, reason="the file is gone from the archive [missing]")
    try:
        return Outcome(sop_instance_uid, deidentify(path, work.target, work.subject, work.profile, by_instance))
    except CannotDeidentify as refusal:
        return Outcome(sop_instance_uid, reason=f"{refusal.reason} [{refusal.rule}]", where=refusal.where)


def by_instance(names: Names) -> PurePath:
    """`<new SOPInstanceUID>.dcm`: the folder is the series."""
    return PurePath(f"{names.sop_instance_uid}.dcm")
