"""The promise: what is not whole at its destination stays. Pure functions of what the tables say.

Every doubt is a reason to stay, and every reason has words that people are shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.events import RetentionLimits
from shared.transfers import STOPPED

Part = tuple[str, int]
"""SeriesInstanceUID of the source, and revision."""

OVER: Final = frozenset(("completed", "failed", "cancelled", "withdrawn"))
"""States of a transfer in which nobody works on it and nothing of it waits for a person's decision."""
LEFT: Final = frozenset(("withdrawn", "confirmed"))
"""States of a withdrawal's part in which nothing is at the destination any more."""


@dataclass(frozen=True)
class SentPart:
    """A part of a transfer at one destination, counted all the way; `counted`: found there when it was asked."""

    series: str
    revision: int
    destination: str
    instances: int
    anonymized: int | None = None
    quarantined: int = 0
    left_out: int = 0
    delivered: int | None = None
    refused: int = 0
    counted: int | None = None

    @property
    def part(self) -> Part:
        """Which part it is."""
        return self.series, self.revision


@dataclass(frozen=True)
class Sent:
    """A transfer."""

    id: str
    assignment: str
    state: str
    requested_at: datetime
    finished_at: datetime | None = None
    review: bool = False
    destinations: frozenset[str] = frozenset()
    parts: tuple[SentPart, ...] = ()


@dataclass(frozen=True)
class Assigned:
    """An assignment; `waits`: for a withdrawal, before anything of it is sent."""

    id: str
    in_force: bool = True
    waits: bool = False
    ended_at: datetime | None = None


@dataclass(frozen=True)
class StudyFacts:
    """What the tables say of a study."""

    study_instance_uid: str
    seen_at: datetime
    arrived: bool = True
    removed: bool = False
    unfinished: int = 0
    """Instances that are in no revision yet."""
    conflicts: int = 0
    wishes: int = 0
    """What people have said of it and the router has not decided about."""
    withdrawals: int = 0
    """Under way, or waiting for a person."""
    size: int = 0
    parts: Mapping[Part, int] = field(default_factory=dict)
    assignments: tuple[Assigned, ...] = ()
    transfers: tuple[Sent, ...] = ()


def why_kept(study: StudyFacts, limits: RetentionLimits, now: datetime) -> str | None:
    """Why a study's files must stay in the archive; None: they may go."""
    if study.removed:
        return "its files are gone already"
    if not study.arrived or study.unfinished or not study.parts:
        return "it is still arriving"
    if study.conflicts:
        return "it has other bytes under a UID that is taken, which were never transferred"
    if study.wishes:
        return "somebody has just assigned it"
    if study.withdrawals:
        return "a withdrawal is under way"
    if any(transfer.state == "quarantined" for transfer in study.transfers):
        return "instances are in quarantine"
    if any(transfer.state not in OVER for transfer in study.transfers):
        return "a transfer is under way"
    in_force = [each for each in study.assignments if each.in_force]
    if not in_force:
        return _unassigned(study, limits, now)
    if any(each.waits for each in in_force):
        return "an assignment waits for a withdrawal"
    if any(not _all_there(study, each.id, limits) for each in in_force):
        return "it is not whole at its destination" + (", as far as that can confirm it" if limits.counted else "")
    latest = max([study.seen_at, *(each.finished_at for each in study.transfers if each.finished_at)])
    return _recent(latest, limits.min_days, now)


def _unassigned(study: StudyFacts, limits: RetentionLimits, now: datetime) -> str | None:
    """Nobody has assigned it, or not any more."""
    if limits.unassigned_days is None:
        return "nobody has assigned it"
    latest = max([study.seen_at, *(each.ended_at for each in study.assignments if each.ended_at)])
    if _recent(latest, max(limits.unassigned_days, limits.min_days), now):
        return "nobody has assigned it yet"
    return None


def _recent(latest: datetime, days: float, now: datetime) -> str | None:
    return "it is recent" if latest > now - timedelta(days=days) else None


def _all_there(study: StudyFacts, assignment: str, limits: RetentionLimits) -> bool:
    """Whether transfers of an assignment have brought every part of the study, and no later try has failed."""
    mine = [each for each in study.transfers if each.assignment == assignment]
    for part, instances in study.parts.items():
        whole = [each for each in mine if not each.review and brings(each, part, instances, limits)]
        if not whole:
            return False
        last = max(each.requested_at for each in whole)
        later = [each for each in mine if each.state == "failed" and each.requested_at >= last]
        if any(sent.part == part for each in later for sent in each.parts):
            return False
    return True


def brings(transfer: Sent, part: Part, instances: int | None, limits: RetentionLimits) -> bool:
    """Whether a transfer has brought a part, whole, to every destination that it was to go to."""
    mine = [each for each in transfer.parts if each.part == part]
    return (
        transfer.state == "completed"
        and bool(mine)
        and {each.destination for each in mine} >= transfer.destinations
        and all(_is_whole(each, instances, limits) for each in mine)
    )


def superseded(transfer: Sent, later: Iterable[Sent], limits: RetentionLimits) -> bool:
    """Whether other transfers of the same assignment, asked for later, have brought each of its parts."""
    after = [each for each in later if each.requested_at > transfer.requested_at]
    parts = {each.part: each.instances for each in transfer.parts}
    return bool(parts) and all(any(brings(each, part, n, limits) for each in after) for part, n in parts.items())


def _is_whole(sent: SentPart, instances: int | None, limits: RetentionLimits) -> bool:
    """Asked for = de-identified + decided about in quarantine + left out; and de-identified = acknowledged = found."""
    return (
        sent.anonymized is not None
        and instances in (None, sent.instances)
        and sent.instances == sent.anonymized + sent.quarantined + sent.left_out
        and sent.delivered == sent.anonymized
        and not sent.refused
        and (not limits.counted or sent.counted == sent.delivered)
    )


@dataclass(frozen=True)
class TransferFacts:
    """What the tables say of a transfer whose de-identified files are here."""

    sent: Sent
    project: str = "production"
    """The project's state."""
    withdrawals: tuple[str, ...] = ()
    """The states of the parts of its withdrawals."""
    undecided: int = 0
    """Instances in quarantine that nobody has decided about."""
    siblings: Iterable[Sent] = ()
    """Transfers that a review of this one has asked for."""
    known: bool = True
    """Whether the catalogue has its study: of an anonymous project's it has not, the originals are gone."""
    anonymous: bool = False
    """Whether it is of an anonymous project, which has nothing but these files and what was sent of them."""
    superseded: bool = False
    """Whether a later transfer of its assignment has brought all that it was to bring."""


def why_files_kept(transfer: TransferFacts, limits: RetentionLimits, now: datetime) -> str | None:
    """Why the de-identified files of a transfer that went well, or was done again, must stay; None: they may go."""
    sent = transfer.sent
    again = sent.state == "failed" and transfer.superseded
    if transfer.undecided or not (again or sent.state == "completed"):
        return "it is not completed"
    if any(state not in LEFT for state in transfer.withdrawals):
        return "a withdrawal is under way"
    if transfer.anonymous:
        if limits.anonymous_days is None:
            return "its project is anonymous: nothing else is left of it here"
    elif not transfer.known:
        return "nothing else is left of its study here"
    elif transfer.project == "archived":
        return "its project's last export is made of them"
    if not again and not all(brings(sent, each.part, None, limits) for each in sent.parts):
        return "it is not whole at its destination" + (", as far as that can confirm it" if limits.counted else "")
    if any(each.state not in OVER for each in transfer.siblings):
        return "a transfer of what was in its quarantine is under way"
    days = max(limits.min_days, limits.anonymous_days or 0) if transfer.anonymous else limits.min_days
    return _recent(sent.finished_at or now, days, now)


def why_answers_kept(transfer: TransferFacts, limits: RetentionLimits, now: datetime) -> str | None:
    """Why what was answered to each instance of a transfer must stay; None: its counts and manifests say as much."""
    sent = transfer.sent
    if sent.state != "completed":
        return "it is not completed"
    if any(state not in LEFT for state in transfer.withdrawals):
        return "a withdrawal is under way"
    if not all(brings(sent, each.part, None, limits) for each in sent.parts):
        return "it is not whole at its destination" + (", as far as that can confirm it" if limits.counted else "")
    return _recent(sent.finished_at or now, limits.min_days, now)


def why_rest_kept(transfer: TransferFacts, limits: RetentionLimits, now: datetime) -> str | None:
    """Why what a transfer that was stopped has left here must stay; None: it may go."""
    sent = transfer.sent
    if sent.state not in STOPPED:
        return "nobody has stopped it"
    if any(state not in LEFT for state in transfer.withdrawals):
        return "a withdrawal is under way"
    if sent.state == "withdrawn" and not transfer.withdrawals:
        return "it is not known whether it has left its destinations"
    return _recent(sent.finished_at or sent.requested_at, limits.min_days, now)
