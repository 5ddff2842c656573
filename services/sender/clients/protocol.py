"""What the kinds of destination have in common."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Outgoing:
    """One de-identified file on its way, with the UIDs that the destination will see."""

    file: Path
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size: int


@dataclass(frozen=True)
class Answer:
    """What the destination said to one instance: a DIMSE status or its equivalent."""

    sop_instance_uid: str
    status: int


@dataclass(frozen=True)
class Found:
    """What a destination says it holds of a series: its SOP Instance UIDs, or only how many."""

    instances: frozenset[str] | None
    number: int

    def confirms(self, sent: frozenset[str]) -> int:
        """How many of the sent instances it has; of a bare number, no more than it says."""
        return len(sent & self.instances) if self.instances is not None else min(len(sent), self.number)


@dataclass(frozen=True)
class Leaving:
    """An instance that we have brought to a destination and that is to leave it; our own file, if we have it still."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    file: Path | None


@dataclass(frozen=True)
class Withdrawn:
    """How many of the instances that were to leave a destination are there all the same."""

    left: int


class Client(Protocol):
    """A destination. All methods raise Unavailable; none blocks the event loop."""

    def send(self, instances: Sequence[Outgoing]) -> AsyncGenerator[list[Answer], None]:
        """Send them, giving the answers in batches as they come, so that they can be kept.

        An empty batch comes first, when the way is open and before a byte goes it: where nobody can be reached, nothing
        can be there.
        """
        ...

    async def count(self, study: str, series: str) -> Found | None:
        """What it holds of a series; None when it does not offer to be asked."""
        ...

    async def withdraw(self, instances: Sequence[Leaving]) -> Withdrawn | None:
        """Delete exactly these, and look again; None when there is no way to. Twice is as good as once."""
        ...
