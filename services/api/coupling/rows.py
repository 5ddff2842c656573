"""A line of a coupling list, and what is wrong with one."""

from bisect import insort
from dataclasses import dataclass, field

SHOWN = 100
"""So many problems are listed; all are counted."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a line says, cleaned; `line` is its number in the file, or its index in a request."""

    line: int
    participant: str
    event: str
    study_instance_uid: str | None = None
    accession_number: str | None = None
    patient_id: str | None = None
    issuer: str | None = None
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong at a place; the reason never repeats what stands there."""

    line: int
    field: str
    """As in `columns.COLUMNS`; empty: of the line as a whole."""
    reason: str
    entry: str | None = None
    """The entry in force that contradicts."""


@dataclass
class Flaws:
    """All that is wrong with a list, however it was found: the first are kept, by lines; the rest is counted."""

    kept: list[Flaw] = field(default_factory=list)
    total: int = 0
    conflicts: int = 0
    lines: set[int] = field(default_factory=set)

    def add(self, line: int, name: str, reason: str, entry: str | None = None) -> None:
        """One more."""
        self.total += 1
        self.conflicts += entry is not None
        self.lines.add(line)
        if len(self.kept) < SHOWN or line < self.kept[-1].line:
            insort(self.kept, Flaw(line, name, reason, entry), key=lambda flaw: flaw.line)
            del self.kept[SHOWN:]

    @property
    def only_conflicts(self) -> bool:
        """Whether nothing is wrong but that entries in force say otherwise."""
        return 0 < self.conflicts == self.total

    def __bool__(self) -> bool:
        return self.total > 0
