"""What a REDCap project's definition lacks, and what of that may be added to it by a program."""

import re
from dataclasses import dataclass

STEM = 18
"""Characters of a label that REDCap takes into a unique name."""


@dataclass(frozen=True)
class NewEvent:
    """An event that is to be there, by its label; REDCap makes its unique name."""

    label: str
    arm: int


@dataclass(frozen=True)
class Designation:
    """An instrument that is to be for an event."""

    event: str
    form: str


@dataclass(frozen=True)
class Repeating:
    """An instrument that is to repeat, at an event unless the project is classic."""

    event: str | None
    form: str


Addition = NewEvent | Designation | Repeating
"""What may be added to a definition without anything being lost."""


@dataclass(frozen=True)
class Lack:
    """Something that a definition lacks, in words that are free of values, and what would mend it."""

    what: str
    addition: Addition | None = None


class Unfit(Exception):
    """A REDCap project lacks what would have to be written; the text names what, free of values."""

    def __init__(self, *lacks: Lack) -> None:
        super().__init__("; ".join(lack.what for lack in lacks))
        self.lacks = lacks

    @property
    def additions(self) -> list[Addition]:
        """What would mend it; nothing unless it would mend all of it."""
        additions = [lack.addition for lack in self.lacks if lack.addition is not None]
        return additions if len(additions) == len(self.lacks) else []


_UNIQUE = re.compile(r"(.+)_arm_([0-9]+)[a-z]?")


def unique_name(label: str, arm: int) -> str:
    """The unique name that REDCap makes of an event's label, unless that is another's already."""
    return f"{_stem(label)[:STEM]}_arm_{arm}"


def _stem(label: str) -> str:
    return re.sub(r"[^a-z0-9_]", "", label.strip().lower().replace(" ", "_"))


def named_whole(label: str) -> bool:
    """Whether all of a label is in its unique name; what was cut may be that of another event that begins alike."""
    return len(_stem(label)) <= STEM


def no_event(name: str, arm: int) -> Lack:
    """An event is lacking, by its label or by a unique name; it can be made if REDCap would name it so."""
    found = _UNIQUE.fullmatch(name)
    if found is None:
        return Lack(f"event {unique_name(name, arm)} is not defined", NewEvent(name, arm))
    event = NewEvent(found[1].replace("_", " ").capitalize(), int(found[2]))
    named_so = unique_name(event.label, event.arm) == name
    return Lack(f"event {name} is not defined", event if named_so else None)
