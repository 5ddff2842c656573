"""Uptake values computed from the result are those of the source."""

from datetime import datetime

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deidentification import Option, Profile
from tests.unit.deidentification.builders import Bench, ct, encoded
from tests.unit.deidentification.test_content_reports import item

WEIGHS = frozenset((Option.PATIENT_CHARACTERISTICS,))
DATES = [
    WEIGHS | {Option.MODIFIED_DATES},
    WEIGHS | {Option.FULL_DATES},
]


def scan() -> Dataset:
    """A PET slice: injected before midnight, scanned after it."""
    drug = item(
        RadiopharmaceuticalStartDateTime="20240310233000.250000", RadiopharmaceuticalStopDateTime="20240310233030",
        RadiopharmaceuticalStartTime="233000.25", RadionuclideTotalDose="370000000", RadionuclideHalfLife="6586.2",
        RadionuclidePositronFraction="0.967",
    )  # fmt: skip
    return ct(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.128", Modality="PT", Units="BQML", DecayCorrection="START",
        SeriesDate="20240311", SeriesTime="003000", AcquisitionDate="20240311", AcquisitionTime="003000",
        PatientWeight="68", RescaleSlope="2.5", RescaleIntercept="0", FrameReferenceTime="0",
        RadiopharmaceuticalInformationSequence=Sequence([drug]),
    )  # fmt: skip


def body_weight_factor(data: Dataset) -> float:
    """SUV by body weight per stored value: slope * weight in grams / dose decayed from injection to the scan."""
    drug = data.RadiopharmaceuticalInformationSequence[0]
    injected = datetime.strptime(drug.RadiopharmaceuticalStartDateTime[:14], "%Y%m%d%H%M%S")
    scanned = datetime.strptime(data.SeriesDate + data.SeriesTime, "%Y%m%d%H%M%S")
    seconds = (scanned - injected).total_seconds()
    dose = float(drug.RadionuclideTotalDose) * 2 ** (-seconds / float(drug.RadionuclideHalfLife))
    return float(data.RescaleSlope) * float(data.PatientWeight) * 1000 / dose


@pytest.mark.parametrize("options", DATES)
def test_uptake_by_body_weight_does_not_change(bench: Bench, options: frozenset[Option]) -> None:
    before = scan()
    after = bench.read(encoded(before), Profile(name="pet", options=options))
    assert body_weight_factor(after) == body_weight_factor(before)
    drug = after.RadiopharmaceuticalInformationSequence[0]
    assert drug.RadiopharmaceuticalStartTime == "233000.25"
    stopped = datetime.strptime(drug.RadiopharmaceuticalStopDateTime, "%Y%m%d%H%M%S")
    started = datetime.strptime(drug.RadiopharmaceuticalStartDateTime[:14], "%Y%m%d%H%M%S")
    assert (stopped - started).total_seconds() == 30
    moved = Option.MODIFIED_DATES in options
    assert (drug.RadiopharmaceuticalStartDateTime[:8] != "20240310") is moved


def test_values_are_untouched(bench: Bench) -> None:
    before = scan()
    after = bench.read(encoded(before), Profile(name="pet", options=DATES[0]))
    assert isinstance(after, pydicom.FileDataset)
    assert after.PixelData == before.PixelData
    assert (after.Units, after.DecayCorrection) == ("BQML", "START")
