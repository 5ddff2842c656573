"""Each option alone over the whole study: it keeps what its column says, and opens no door for anything else."""

import re
from typing import Final

import pytest

from deidentification import CannotDeidentify, Option, Profile
from deidentification.errors import LeftOut
from deidentification.profiles import BUILT_IN
from tests.unit.deidentification import study
from tests.unit.deidentification.builders import Bench
from tests.unit.deidentification.study_patient import leaks

# Option (or built-in profile) -> what of the study's marks it keeps on purpose.
KEPT: Final[dict[str, bytes]] = {
    "": rb"(?!)",
    **{option.value: rb"(?!)" for option in Option if option is not Option.VISUAL_FEATURES},
    Option.UIDS.value: rb"1\.2\.826\.0\.19700203(\.\d+)*",
    Option.DEVICE.value: rb"ZQ(SN771234|STATION1|AET1|LINAC|WORKSTATION|DEVICE)|1\.2\.826\.0\.19700203\.9\.1",
    Option.INSTITUTION.value: rb"Zqfjord|99ZQ|ZQHOSP|Zqveien 1|Zqradiologisk",
    "fiona": rb"ZQSN771234",
}


def profile(name: str) -> Profile:
    """The base with that option alone, or the built-in of that name."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    options = frozenset((Option(name),)) if name else frozenset()
    return Profile.model_validate(
        {"name": "alone", "options": options, "pixels": {"images": "suspect"} if name == Option.PIXELS.value else {}}
    )


@pytest.mark.parametrize("name", KEPT)
def test_an_option_keeps_its_own_and_nothing_else(bench: Bench, name: str) -> None:
    chosen, kept = profile(name), re.compile(KEPT[name], re.IGNORECASE)
    passed = found = 0
    for number in study.OBJECTS:
        try:
            content = bench.written(study.encoded(number), chosen)
        except (CannotDeidentify, LeftOut):
            continue
        passed += 1
        found += len(kept.findall(content))
        assert leaks(kept.sub(b"", content)) == [], number
    assert passed >= 13
    assert bool(found) is (KEPT[name] != rb"(?!)")


@pytest.mark.parametrize("name", study.OBJECTS)
def test_all_that_cleans_and_retains_together(bench: Bench, name: str) -> None:
    """The widest profile that keeps neither UIDs nor full dates, pictures read."""
    wide = {
        *(Option.MODIFIED_DATES, Option.PATIENT_CHARACTERISTICS, Option.SAFE_PRIVATE, Option.DESCRIPTORS),
        *(Option.STRUCTURED_CONTENT, Option.GRAPHICS, Option.PIXELS),
    }
    chosen = Profile.model_validate({"name": "wide", "options": frozenset(wide), "pixels": {"images": "suspect"}})
    try:
        content = bench.written(study.encoded(name), chosen)
    except (CannotDeidentify, LeftOut):
        assert name in ("slide-label", "slide-overview", "pdf", "cda", "stl")
    else:
        assert leaks(content) == []
