"""One instance before and after: its identifying attributes side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue
from rich import box
from rich.table import Table
from rich.text import Text

from cli.demo.accounts import Row, Sent
from cli.output import clean

ATTRIBUTES = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate", "AccessionNumber",
    "StudyID", "InstitutionName", "ReferringPhysicianName", "OperatorsName", "StationName", "StudyDescription",
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientIdentityRemoved",
    "DeidentificationMethod", "ClinicalTrialProtocolID", "Modality", "Rows", "Columns",
)  # fmt: skip
TELLING = ATTRIBUTES[:13]
"""Those that name somebody or something: the more of them an instance has, the more it shows."""


@dataclass(frozen=True)
class Pair:
    """An instance and what was made of it."""

    before: Dataset
    after: Dataset


def pair(sent: Sent, rows: Iterable[Row], folder: Path) -> Pair | None:
    """The most telling instance among participants of one instance (so that nobody has to guess which became which)."""
    single: dict[str, str] = {}
    several: set[str] = set()
    for row in rows:
        if row.participant in single or row.received != 1 or row.delivered != 1:
            several.add(row.participant)
        single[row.participant] = row.study
    sources = {outcome.file.study_instance_uid: outcome.file.path for outcome in sent.new}
    candidates = {
        participant: dcmread(sources[study])
        for participant, study in single.items()
        if participant not in several and study in sources
    }
    for participant, before in sorted(candidates.items(), key=lambda item: _telling(item[1]), reverse=True):
        found = [path for path in sorted(folder.rglob("*.dcm")) if _patient(path) == participant]
        if len(found) == 1:
            return Pair(before, dcmread(found[0]))
    return None


def _telling(dataset: Dataset) -> tuple[bool, bool, int, int]:
    """A whole name first, then an image, then how much of the rest there is."""
    return (
        "^" in _value(dataset, "PatientName"),
        "PixelData" in dataset,
        sum(bool(_value(dataset, keyword)) for keyword in TELLING),
        _private(dataset),
    )


def _patient(path: Path) -> str:
    return str(dcmread(path, specific_tags=["PatientID"], stop_before_pixels=True).get("PatientID"))


def _value(dataset: Dataset, keyword: str) -> str:
    value = dataset[keyword].value if keyword in dataset else ""
    return clean(list(value) if isinstance(value, MultiValue) else value)


def _private(dataset: Dataset) -> int:
    return sum(element.tag.is_private for element in dataset.iterall())


def _shown(dataset: Dataset, keyword: str) -> str:
    if keyword not in dataset:
        return "(absent)"
    return _value(dataset, keyword) or "(empty)"


def comparison(of: Pair) -> Table:
    """Side by side."""
    made = Table(title="one instance, before and after", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Attribute", "Before", "After"):
        made.add_column(heading, overflow="fold", no_wrap=heading == "Attribute")
    for keyword in ATTRIBUTES:
        if keyword in of.before or keyword in of.after:
            made.add_row(keyword, Text(_shown(of.before, keyword)), Text(_shown(of.after, keyword)))
    made.add_row("private attributes", *(str(_private(each)) for each in (of.before, of.after)))
    made.add_row("PixelData", *_pixels((of.before, of.after)))
    return made


def _pixels(datasets: Sequence[Dataset]) -> list[str]:
    values = [bytes(each.get("PixelData") or b"") for each in datasets]
    second = "the same bytes" if values[0] == values[1] else f"{len(values[1])} other bytes"
    return [f"{len(values[0])} bytes", second] if values[0] or values[1] else ["(absent)", "(absent)"]
