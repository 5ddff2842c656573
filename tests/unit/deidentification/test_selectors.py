"""Which instances a selector means."""

import pytest

from deidentification.profiles.model import Selector
from deidentification.selectors import WANTED, matches, wanted

HEADER = {
    0x00080005: b"ISO_IR 100",
    0x00080008: b"DERIVED\\SECONDARY\\SCREEN SAVE ",
    0x00080016: b"1.2.840.10008.5.1.4.1.1.7.4\0",
    0x00080060: b"OT",
    0x0008103E: "Røntgen Thorax ".encode("latin-1"),
    0x00204000: b"not for research",
    0x00181030: b"Protocol 7",
}


@pytest.mark.parametrize(
    "selector",
    [
        Selector(modality="ot"),
        Selector(sop_class="1.2.840.10008.5.1.4.1.1.7.4"),
        Selector(sop_class="1.2.840.10008.5.1.4.1.1.7."),
        Selector(series_description="røntgen"),
        Selector(series_description="^R.*x$"),
        Selector(image_comments="RESEARCH"),
        Selector(image_type="screen save"),
        Selector(attribute=0x00181030, matches=r"protocol \d"),
        Selector(modality="OT", image_type="SECONDARY", image_comments="not"),
    ],
)
def test_matching(selector: Selector) -> None:
    assert matches(selector, HEADER)


@pytest.mark.parametrize(
    "selector",
    [
        Selector(),
        Selector(modality="O"),
        Selector(sop_class="1.2.840.10008.5.1.4.1.1.7"),
        Selector(series_description="^thorax"),
        Selector(image_type="SCREEN"),
        Selector(modality="OT", image_comments="elsewhere"),
        Selector(attribute=0x00080080, matches="."),
    ],
)
def test_not_matching(selector: Selector) -> None:
    assert not matches(selector, HEADER)


def test_text_in_the_files_own_character_set() -> None:
    utf8 = {0x00080005: b"ISO_IR 192", 0x0008103E: "Røntgen".encode()}
    russian = {0x00080005: b"ISO_IR 144", 0x0008103E: "Грудь".encode("iso8859_5")}
    assert matches(Selector(series_description="RØNTGEN"), utf8)
    assert matches(Selector(series_description="грудь"), russian)
    assert matches(Selector(series_description="^R"), {0x0008103E: b"R\xff\xfe"})


def test_tags_to_capture() -> None:
    assert wanted([Selector(modality="CT"), Selector(attribute=0x00181030)]) == WANTED | {0x00181030}
