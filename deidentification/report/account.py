"""The account of a folder run: what became of every file, and of the attributes and pixels in the results.

It names no input file, as names carry identity. A file's `number` is its place in the sorted list of the input
folder's files, counted from 1; its `sha256` is over the content, for the case that the folder has changed since.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from deidentification.pixels.findings import Findings
from deidentification.profiles import Profile, digest
from deidentification.report.attributes import Attribute, attributes
from deidentification.review import Kept
from deidentification.standard import tables


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


@dataclass(frozen=True)
class LeftAside:
    """One file that the profile leaves out: its number, and by which selector."""

    number: int
    rule: str
    reason: str


@dataclass
class Pixels:
    """Images and frames that were read and changed, what was hidden by kind, device masks by name."""

    images_read: int = 0
    images_changed: int = 0
    images_exempt: int = 0
    frames_read: int = 0
    frames_changed: int = 0
    boxes: Counter[str] = field(default_factory=Counter)
    masks: Counter[str] = field(default_factory=Counter)

    def add(self, findings: Findings) -> None:
        """Count one image."""
        self.images_read += findings.read > 0
        self.images_changed += findings.changed > 0
        self.images_exempt += findings.exempt
        self.frames_read += findings.read
        self.frames_changed += findings.changed
        self.masks.update(findings.masks)
        for finding in findings.frames:
            for box in finding.boxes:
                self.boxes[box.kind] += len(finding.frames)


@dataclass
class Report:
    """What became of every file; written to OUT_DIR/report.json.

    `participants` is how many people the results stand for, `patients` how many the sources name: None when nobody
    counted, since a table said who is who.
    """

    profile: Profile
    project: str
    files: int
    participants: int = 1
    patients: int | None = None
    written: list[Written] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    left_out: list[LeftAside] = field(default_factory=list)
    duplicates: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    pixels: Pixels = field(default_factory=Pixels)
    kept: Kept = field(default_factory=Kept)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        self.digest = digest(self.profile)

    @property
    def whole(self) -> bool:
        """Whether every file is accounted for."""
        return self.files == sum(self.counts.values()) - self.files

    @property
    def counts(self) -> dict[str, int]:
        """The files, and what became of them."""
        return {
            "files": self.files,
            "written": len(self.written),
            "quarantined": len(self.quarantined),
            "left_out": len(self.left_out),
            "duplicates": self.duplicates,
        }

    def attributes(self) -> list[Attribute]:
        """The attributes that stand in the results, each with why."""
        return attributes(self.kept.rows(), self.profile)

    def as_json(self, with_values: bool = False) -> str:
        """The report as it is stored; values of attributes only when they are asked for."""
        content = {
            "profile": {
                "name": self.profile.name,
                "version": self.profile.version,
                "options": sorted(self.profile.options),
                "digest": self.digest,
                "edition": tables.edition(),
            },
            "project": self.project,
            "participants": self.participants,
            "patients": self.patients,
            "counts": self.counts,
            "actions": dict(sorted(self.actions.items())),
            "reasons": _by_rule(self.quarantined),
            "left_out_by": _by_rule(self.left_out),
            "pixels": {
                name: dict(count) if isinstance(count, Counter) else count for name, count in vars(self.pixels).items()
            },
            "attributes": [each.as_dict(with_values) for each in self.attributes()],
            "written": [asdict(entry) for entry in self.written],
            "quarantined": [asdict(entry) for entry in self.quarantined],
            "left_out": [asdict(entry) for entry in self.left_out],
        }
        return json.dumps(content, indent=1) + "\n"


def _by_rule(entries: Iterable[Quarantined | LeftAside]) -> dict[str, int]:
    return dict(sorted(Counter(entry.rule for entry in entries).items()))
