"""The demo's accounts: what was sent, by its senders; what became of it, by the gateway; and whether they agree."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.client import Item
from cli.dicom.store import Outcome

FINAL = ("completed", "quarantined", "failed")


@dataclass
class Sent:
    """What the peer acknowledged, sorted as PS3.4 leaves it to us: by SOP Instance UID and content."""

    acknowledged: int = 0
    refused: list[Outcome] = field(default_factory=list)
    new: list[Outcome] = field(default_factory=list)
    duplicates: int = 0
    conflicts: int = 0

    @property
    def by_study(self) -> Counter[str]:
        """Distinct instances by StudyInstanceUID."""
        return Counter(outcome.file.study_instance_uid for outcome in self.new)

    @property
    def offered(self) -> int:
        """How many files were offered."""
        return self.acknowledged + len(self.refused)


def sent(outcomes: Iterable[Outcome]) -> Sent:
    """The first file of a SOP Instance UID is the instance; the same again is a duplicate, others are conflicts."""
    made = Sent()
    seen: dict[str, set[str]] = {}
    for outcome in outcomes:
        if not outcome.stored:
            made.refused.append(outcome)
            continue
        made.acknowledged += 1
        contents = seen.setdefault(outcome.file.sop_instance_uid, set())
        if not contents:
            made.new.append(outcome)
        elif outcome.file.digest in contents:
            made.duplicates += 1
        else:
            made.conflicts += 1
        contents.add(outcome.file.digest)
    return made


@dataclass(frozen=True)
class Row:
    """How far one study has come, in instances."""

    study: str
    modalities: str
    participant: str
    received: int
    indexed: int
    assigned: int
    anonymized: int
    quarantined: int
    delivered: int
    state: str

    @property
    def done(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in FINAL and self.received == self.indexed


COUNTS = ("received", "indexed", "assigned", "anonymized", "quarantined", "delivered")


def rows(received: Counter[str], studies: Sequence[Item], transfers: Sequence[Item], project: str) -> list[Row]:
    """The studies in the order in which they came, each with all of its transfers."""
    known = {str(study["study_instance_uid"]): study for study in studies}
    moved: dict[str, list[Item]] = {}
    for transfer in transfers:
        moved.setdefault(str(transfer["study_instance_uid"]), []).append(transfer)
    order = dict.fromkeys([*received, *known])
    return [_row(uid, received[uid], known.get(uid, {}), moved.get(uid, []), project) for uid in order]


def _row(uid: str, received: int, study: Item, transfers: Sequence[Item], project: str) -> Row:
    mine = next((each for each in study.get("assignments", ()) if each["project"] == project), None)
    indexed = int(study.get("instances", 0))
    in_force = mine is not None and not mine.get("refused")
    modalities = study.get("modalities") or ""
    return Row(
        study=uid,
        modalities=", ".join(modalities) if isinstance(modalities, list) else str(modalities),
        participant=str(mine["participant"]) if mine else "",
        received=received,
        indexed=indexed,
        assigned=indexed if in_force else 0,
        anonymized=_sum(transfers, "anonymized"),
        quarantined=_sum(transfers, "quarantined"),
        delivered=_sum(transfers, "delivered"),
        state=_state(study, mine, transfers),
    )


def _sum(transfers: Iterable[Item], key: str) -> int:
    return sum(int(transfer.get(key) or 0) for transfer in transfers)


def _state(study: Item, assignment: Item | None, transfers: Sequence[Item]) -> str:
    if not study:
        return "receiving"
    if assignment is None:
        return "waiting" if study.get("arrived_at") else "indexing"
    if assignment.get("refused"):
        return "refused"
    if _sum(transfers, "instances") < int(study["instances"]):
        return "assigned"
    states = [str(transfer["state"]) for transfer in transfers]
    return next((state for state in states if state not in FINAL), "") or max(states, key=FINAL.index)


def totals(of: Iterable[Row]) -> dict[str, int]:
    """The sums over studies."""
    listed = list(of)
    return {name: sum(getattr(row, name) for row in listed) for name in COUNTS}


def checks(mine: Sent, counts: Item, final: Sequence[Row], in_folder: int) -> list[tuple[str, Any, Any]]:
    """Every equation that must hold: what it says, its left and its right side."""
    sums = totals(final)
    no_instance = sum(not outcome.file.study_instance_uid for outcome in mine.refused)
    kept = counts["instances"] + mine.duplicates + counts["conflicts"]
    return [
        ("refused = files that are no whole instance of a study", len(mine.refused), no_instance),
        ("acknowledged = indexed + duplicates + conflicts", mine.acknowledged, kept),
        ("conflicts among the files sent = conflicts kept and flagged", mine.conflicts, counts["conflicts"]),
        ("indexed, study by study = received, study by study",
         {row.study: row.indexed for row in final}, {row.study: row.received for row in final}),
        ("indexed = assigned", counts["instances"], sums["assigned"]),
        ("indexed = de-identified + quarantined", counts["instances"], sums["anonymized"] + sums["quarantined"]),
        ("indexed = delivered + quarantined", counts["instances"], sums["delivered"] + sums["quarantined"]),
        ("delivered = files in the destination's folder", sums["delivered"], in_folder),
        ("dead letters = 0", counts["dead"], 0),
    ]  # fmt: skip
