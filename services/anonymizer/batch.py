"""What a worker process does: de-identify instances of one series and count the attributes that are left.

Imported by every worker, so it imports the engine and nothing of the service around it.
"""

import errno
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import NamedTuple

from deidentification import CannotDeidentify, Deidentified, LeftOut, Names, Profile, Subject, deidentify_all
from deidentification.pixels.findings import Findings
from deidentification.processes import Lost
from deidentification.review import Kept, Tally

MISSING = CannotDeidentify("missing", "the file is gone from the archive")
UNREADABLE = "unreadable"
"""What the engine says of a file that cannot be opened: in the archive, the world's fault and not the file's."""


@dataclass(frozen=True)
class Outcome:
    """What became of one instance: a result, or the reason why there is none.

    Without a result it stays in quarantine, or was `left_out` by the profile; `rule` is the reason's short name.
    """

    sop_instance_uid: str
    result: Deidentified | None = None
    reason: str = ""
    where: str = ""
    rule: str = ""
    left_out: bool = False
    findings: Findings | None = None


@dataclass(frozen=True)
class Work:
    """Instances (SOP Instance UID, absolute path) of one series that become files in one folder.

    `released` are the rules that a reviewer has waived, by source SOP Instance UID; `pseudonyms` stay as they are.
    """

    sources: tuple[tuple[str, Path], ...]
    target: Path
    subject: Subject
    profile: Profile
    released: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pseudonyms: frozenset[str] = frozenset()


class Harvest(NamedTuple):
    """What is left in files that were written: the tally of their attributes, and pseudonyms that will be repeated."""

    tally: Tally
    given: frozenset[bytes]


class Series:
    """The task of one Work, in a worker; it lives as long as the process is given batches of it."""

    def __init__(self, work: Work) -> None:
        self.target, self.subject, self.profile = work.target, work.subject, work.profile
        self.released = {path: work.released[uid] for uid, path in work.sources if uid in work.released}
        self.pseudonyms = work.pseudonyms
        self.kept = Kept()
        self.given: set[bytes] = set()

    def __call__(self, items: Iterator[tuple[str, Path]]) -> Iterator[Outcome]:
        """One outcome per instance. OSError, when the archive cannot be read or the target not be written."""
        asked: deque[tuple[str, bool]] = deque()

        def present() -> Iterator[Path]:
            for uid, path in items:
                there = path.exists()
                asked.append((uid, there))
                if there:
                    yield path

        how = self.subject, self.profile, by_instance, self.released, self.pseudonyms
        for result in deidentify_all(present(), self.target, *how):
            yield from _missing(asked)
            yield self._outcome(asked.popleft()[0], result)
        yield from _missing(asked)

    def _outcome(self, uid: str, result: Deidentified | CannotDeidentify | LeftOut) -> Outcome:
        if isinstance(result, Deidentified):
            self.kept.add(result)
            self.given |= result.given
            bare = replace(result, elements=(), findings=None, given=frozenset())
            return Outcome(uid, bare, findings=result.findings)
        if result.rule == UNREADABLE:
            raise OSError(errno.EIO, UNREADABLE)
        return _refused(uid, result)

    def harvest(self) -> Harvest:
        """What is left in what was written since."""
        harvest = Harvest(self.kept.tally(), frozenset(self.given))
        self.given = set()
        return harvest


def _missing(asked: deque[tuple[str, bool]]) -> Iterator[Outcome]:
    """The instances without a file that come next."""
    while asked and not asked[0][1]:
        yield _refused(asked.popleft()[0], MISSING)


def _refused(uid: str, why: CannotDeidentify | LeftOut) -> Outcome:
    left_out = isinstance(why, LeftOut)
    where = "" if isinstance(why, LeftOut) else why.where
    return Outcome(uid, reason=f"{why.reason} [{why.rule}]", where=where, rule=why.rule, left_out=left_out)


def settled(uid: str, answer: Outcome | Lost) -> Outcome:
    """What a process answered, or why it could not."""
    return answer if isinstance(answer, Outcome) else _refused(uid, CannotDeidentify(answer.rule, answer.reason))


def by_instance(names: Names) -> PurePath:
    """`<new SOPInstanceUID>.dcm`: the folder is the series."""
    return PurePath(f"{names.sop_instance_uid}.dcm")
