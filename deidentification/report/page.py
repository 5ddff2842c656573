"""The report as one self-contained page of HTML: no script, nothing loaded, fit to be printed."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydicom.uid import UID

from deidentification.profiles.model import Profile
from deidentification.report.account import LeftAside, Quarantined, Report
from deidentification.report.words import facts
from deidentification.standard import tables

PLACES: Final = 5
SHORT: Final = {
    "X": "removed", "Z": "emptied", "D": "replaced", "U": "new UID", "K": "kept", "C": "cleaned or moved",
    "X/Z": "removed or emptied", "X/D": "removed or replaced", "Z/D": "emptied or replaced",
    "X/Z/D": "removed, emptied or replaced", "X/Z/U*": "removed, emptied or new UIDs",
}  # fmt: skip
KINDS: Final = {"text": "text", "code": "bar and QR codes", "region": "outside the ultrasound regions", "mask": "masks"}


@dataclass(frozen=True)
class Group:
    """Files that share a rule and a reason."""

    rule: str
    reason: str
    count: int
    numbers: str
    places: str


def render(report: Report, made: datetime, key_given: bool, with_values: bool = False) -> str:
    """The page. `key_given`: the project's key came from a file, so pseudonyms can be made again."""
    environment = Environment(
        loader=PackageLoader("deidentification.report", ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html").render(
        report=report,
        counts=report.counts,
        made=made.strftime("%Y-%m-%d %H:%M %Z").strip(),
        key_given=key_given,
        with_values=with_values,
        edition=tables.edition(),
        facts=facts(report.profile),
        actions=_actions(report),
        quarantined=groups(report.quarantined),
        left_out=groups(report.left_out),
        kinds=_kinds(report),
        boxes=[(KINDS.get(kind, kind), count) for kind, count in sorted(report.pixels.boxes.items())],
        attributes=report.attributes(),
        limits=limits(report.profile),
    )


def _actions(report: Report) -> list[tuple[str, str, str, int]]:
    """Code, in a word, the Standard's meaning, how often."""
    meanings = tables.action_codes()
    return [
        (code, SHORT.get(code, ""), meanings.get(code, ""), count) for code, count in sorted(report.actions.items())
    ]


def _kinds(report: Report) -> list[tuple[str, int]]:
    """What was written, by SOP class."""
    found: defaultdict[str, int] = defaultdict(int)
    for entry in report.written:
        found[UID(entry.sop_class_uid).name] += 1
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def groups(entries: Iterable[Quarantined | LeftAside]) -> list[Group]:
    """Entries by rule and reason, the most frequent first."""
    found: defaultdict[tuple[str, str], list[Quarantined | LeftAside]] = defaultdict(list)
    for entry in entries:
        found[entry.rule, entry.reason].append(entry)
    made = [
        Group(rule, reason, len(same), ranges([entry.number for entry in same]), _places(same))
        for (rule, reason), same in found.items()
    ]
    return sorted(made, key=lambda group: (-group.count, group.rule, group.reason))


def _places(entries: Iterable[Quarantined | LeftAside]) -> str:
    places = sorted({getattr(entry, "where", "") for entry in entries} - {""})
    return ", ".join(places[:PLACES]) + (f" and {len(places) - PLACES} more" if len(places) > PLACES else "")


def ranges(numbers: Iterable[int]) -> str:
    """'1–4, 7, 9–10' for ascending numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in runs)


def limits(profile: Profile) -> list[str]:
    """What nobody should take this run for."""
    found = [
        "De-identified is not anonymous: whoever holds the key, or knows the images, may find the person.",
        "Faces and other features of the body that can be recognised in the pixels were not changed.",
        "Numbers, codes and short texts that the table below lists were kept by rule, not read by a person.",
    ]
    if profile.pixels.images == "none":
        found.insert(1, "No pixel was looked at: text that is burned into an image is still there.")
    elif profile.pixels.images == "suspect":
        found.insert(1, "Only images of the kinds named above were searched for burned-in text.")
    if profile.pixels.suspects_pass or profile.pixels.exempt:
        found.insert(1, "The profile lets images pass unread that may carry text: the project answers for them.")
    return found
