"""SUV by body weight is the same before and after: doses, times and dates stay consistent, over midnight, too."""

from datetime import datetime, timedelta
from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from deidentification import Option, Profile, Subject
from tests.unit.deidentification import study, study_images
from tests.unit.deidentification.builders import KEY, SUBJECT, Bench
from tests.unit.deidentification.hostile import BASIC
from tests.unit.deidentification.study_patient import NEXT_DATE, STUDY_DATE, written

RESEARCH = BASIC.model_copy(update={"options": BASIC.options | {Option.PATIENT_CHARACTERISTICS}})


def moment(date: str, time: str) -> datetime:
    """A DA and a TM as one."""
    return datetime.strptime(date + time.split(".")[0], "%Y%m%d%H%M%S") + timedelta(
        seconds=float("0." + (time + ".0").split(".")[1])
    )


def injection(data: Dataset, acquired: datetime) -> datetime:
    """When the dose was measured: its own date and time, or its time on the day of or before the acquisition."""
    drug = data.RadiopharmaceuticalInformationSequence[0]
    start = str(drug.get("RadiopharmaceuticalStartDateTime") or "")
    if start:
        return moment(start[:8], start[8:])
    at = moment(f"{acquired:%Y%m%d}", str(drug.RadiopharmaceuticalStartTime))
    return at if at <= acquired else at - timedelta(days=1)


def suv(data: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """SUVbw in g/ml of an image in Bq/ml that is decay corrected to the start of its series (PS3.3 C.8.9.1)."""
    assert (data.Units, data.DecayCorrection) == ("BQML", "START")
    began = moment(str(data.SeriesDate), str(data.SeriesTime))
    drug = data.RadiopharmaceuticalInformationSequence[0]
    elapsed = (began - injection(data, began)).total_seconds()
    assert 0 < elapsed < 86_400
    dose = float(drug.RadionuclideTotalDose) * 2 ** (-elapsed / float(drug.RadionuclideHalfLife))
    activity = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
    return np.asarray(activity * float(data.PatientWeight) * 1000 / dose)


def after(bench: Bench, data: Dataset, subject: Subject, profile: Profile = RESEARCH) -> Dataset:
    """What leaves."""
    return pydicom.dcmread(BytesIO(bench.written(written(data), profile, subject)))


def pet(with_date: bool) -> Dataset:
    """Injected at half past eleven at night, acquired after midnight."""
    data = study_images.pet()
    if not with_date:
        drug = data.RadiopharmaceuticalInformationSequence[0]
        del drug.RadiopharmaceuticalStartDateTime, drug.RadiopharmaceuticalStopDateTime
    return data


@pytest.mark.parametrize("with_date", [True, False])
@pytest.mark.parametrize("days", [None, -1, -31, -365, 42, 0])
def test_suv_is_the_same(bench: Bench, with_date: bool, days: int | None) -> None:
    subject = Subject("NORSTUDY", "NOR_001", "baseline", KEY, date_shift_days=days)
    source = pet(with_date)
    result = after(bench, source, subject)
    before, now = suv(source), suv(result)
    assert before.max() > 0
    assert np.array_equal(before, now)


def test_the_span_over_midnight_is_the_same(bench: Bench) -> None:
    result = after(bench, pet(True), SUBJECT)
    drug = result.RadiopharmaceuticalInformationSequence[0]
    acquired = moment(str(result.AcquisitionDate), str(result.AcquisitionTime))
    injected = moment(str(drug.RadiopharmaceuticalStartDateTime)[:8], str(drug.RadiopharmaceuticalStartDateTime)[8:])
    assert acquired - injected == moment(NEXT_DATE, "003000.5") - moment(STUDY_DATE, "233000.5")
    assert str(result.AcquisitionDate) != NEXT_DATE


def test_the_vendors_factor_is_kept_with_its_option(bench: Bench) -> None:
    safe = BASIC.model_copy(update={"options": BASIC.options | {Option.SAFE_PRIVATE}})
    result = pydicom.dcmread(BytesIO(bench.written(study.encoded("pet"), safe)))
    assert str(result[0x70531000].value) == study_images.SUV_FACTOR


def test_without_the_weight_there_is_no_suv(bench: Bench) -> None:
    assert not after(bench, pet(True), SUBJECT, BASIC).get("PatientWeight")
