"""The answer key: what must become of each object of the synthetic study, as a person would mark it.

It knows what research needs and what may identify, and nothing of the engine that is scored.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset

from tests.unit.deidentification.study_images import BURNED, SUV_FACTOR
from tests.unit.deidentification.study_patient import MARK


class Action(StrEnum):
    """What is marked right or wrong."""

    TAG_RETAINED = "tag_retained"
    TEXT_NOTNULL = "text_notnull"
    TEXT_RETAINED = "text_retained"
    TEXT_REMOVED = "text_removed"
    DATE_SHIFTED = "date_shifted"
    UID_CHANGED = "uid_changed"
    UID_CONSISTENT = "uid_consistent"
    PATID_CONSISTENT = "patid_consistent"
    PIXELS_HIDDEN = "pixels_hidden"
    PIXELS_RETAINED = "pixels_retained"


@dataclass(frozen=True)
class Check:
    """One mark: the keyword whose values are looked at (anywhere in the object), and what is expected among them."""

    action: Action
    keyword: str
    expected: str = ""


# Objects that may not leave at all; nothing of them counts but that they stay.
STAY: Final = frozenset(("slide-label", "slide-overview", "pdf", "cda", "stl"))
TAGS: Final = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "KVP", "ConvolutionKernel"),
    *("RescaleSlope", "Rows", "Columns", "PatientSex", "PatientSize", "PatientWeight", "RadionuclideTotalDose"),
    *("RadionuclideHalfLife", "RadiopharmaceuticalStartTime", "AcquisitionTime", "ContourData", "GantryAngle"),
    *("NumericValue", "GraphicData", "FrameOfReferenceTransformationMatrix", "SegmentNumber", "InstanceNumber"),
    *("SeriesNumber", "BeamMeterset", "WaveformData", "RegionLocationMinX0", "Manufacturer", "ManufacturerModelName"),
)
NOT_NULL: Final = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "PatientID"),
    *("PatientName", "ImageType", "CodeMeaning", "GraphicLayer", "ContentLabel", "RTPlanLabel"),
)
# keyword -> words of its value that say something about the disease and nothing about the person.
WORDS: Final = {
    "SeriesDescription": "Thorax",
    "StudyDescription": "CT Thorax",
    "ContrastBolusAgent": "Omnipaque",
    "BodyPartExamined": "CHEST",
    "ROIName": "GTV",
    "TextValue": "nodule of 12 mm",
    "UnformattedTextValue": "nodule 12 mm",
    "SegmentLabel": "Tumor",
    "PatientPosition": "FFS",
}
NOT_MOVED: Final = frozenset(("PatientBirthDate",))
BIRTHS: Final = ("19700203", "19710304")
ROOT: Final = "1.2.826.0."
PRIVATE_FACTOR: Final = "(7053,1000)"


def leaves(data: Dataset) -> dict[str, list[str]]:
    """Keyword (tag for private elements) -> its values at every depth, each component as text."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for element in data.iterall():
        if element.VR == "SQ" or element.keyword == "PixelData":
            continue
        name = element.keyword or str(element.tag).lower()
        values = element.value if element.VM > 1 else [element.value]
        found[name] += ["" if value is None else str(value) for value in values]
    return found


def shifted(value: str, days: int) -> str:
    """A DA or DT `days` later, its time as it was."""
    day = date(int(value[:4]), int(value[4:6]), int(value[6:8])) + timedelta(days)
    return f"{day:%Y%m%d}{value[8:]}"


def answers(name: str, source: Dataset) -> Iterator[Check]:
    """Every mark for one object of the study, to be given once per source value."""
    if name in STAY:
        yield from (Check(Action.TEXT_REMOVED, "PatientName", MARK), Check(Action.PIXELS_HIDDEN, name))
        return
    for keyword, values in leaves(source).items():
        for value in values:
            if MARK in value.upper() or (keyword == "PatientAge" and value > "089Y"):
                yield Check(Action.TEXT_REMOVED, keyword, value)
        if keyword in TAGS or (keyword == PRIVATE_FACTOR and SUV_FACTOR in values):
            yield from (Check(Action.TAG_RETAINED, keyword, value) for value in values)
        if keyword in NOT_NULL:
            yield Check(Action.TEXT_NOTNULL, keyword)
        if keyword in WORDS and any(WORDS[keyword] in value for value in values):
            yield Check(Action.TEXT_RETAINED, keyword, WORDS[keyword])
    yield from _dates_and_uids(source)
    yield Check(Action.PATID_CONSISTENT, "PatientID")
    if name in BURNED:
        yield Check(Action.PIXELS_HIDDEN, name)
    elif "PixelData" in source:
        yield Check(Action.PIXELS_RETAINED, name)


def _dates_and_uids(source: Dataset) -> Iterator[Check]:
    for element in source.iterall():
        values = [str(value) for value in (element.value if element.VM > 1 else [element.value])] if element.VM else []
        for value in values:
            if element.VR in ("DA", "DT"):
                if value.startswith(BIRTHS):
                    yield Check(Action.TEXT_REMOVED, element.keyword, value)
                elif element.keyword not in NOT_MOVED:
                    yield Check(Action.DATE_SHIFTED, element.keyword, value)
            elif element.VR == "UI" and value.startswith(ROOT):
                yield Check(Action.UID_CHANGED, element.keyword, value)
                yield Check(Action.UID_CONSISTENT, element.keyword, value)
