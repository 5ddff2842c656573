"""The page for whoever has to answer: complete, self-contained, and nothing in it is taken for markup."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, cast

import pytest

from deidentification import BASIC, BUILT_IN, Profile
from deidentification.dataset.encoding import EXPLICIT_LE, element
from deidentification.instance import Deidentified
from deidentification.pixels.findings import Box, Findings, FrameFinding
from deidentification.profiles.model import (
    DeviceMask,
    Groups,
    Hash,
    Keep,
    Mask,
    Override,
    Pixels,
    PrivateElement,
    Replace,
    Selector,
)  # fmt: skip
from deidentification.report.account import LeftAside, Quarantined, Report, Written
from deidentification.report.page import limits, ranges, render
from deidentification.report.words import OPTIONS, facts, selected
from deidentification.standard.tables import Option

MADE = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVIL = "<script>alert('x')</script>"
VOID = frozenset(("meta", "br"))


class Page(HTMLParser):
    """Checks that what is opened is closed, and gathers tags, links and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str | None] = []
        self.cells: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") or name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.cells.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.cells))


def result(**values: bytes) -> Deidentified:
    tags = {"description": (0x0008103E, b"LO"), "sex": (0x00100040, b"CS"), "sop": (0x00080018, b"UI")}
    elements = sorted((tags[name][0], element(*tags[name], value, EXPLICIT_LE)) for name, value in values.items())
    made: Any = type("Result", (), {"elements": tuple(elements), "encoding": EXPLICIT_LE})()
    return cast(Deidentified, made)


def report(profile: Profile = BASIC) -> Report:
    """Ten files: three written, four in quarantine, two left out, one copy."""
    made = Report(profile, EVIL, 10, participants=1, patients=2)
    made.written = [Written(number, f"{number}.dcm", "1.2.840.10008.5.1.4.1.1.2", "1.2") for number in (1, 2, 3)]
    made.quarantined = [
        *(Quarantined(number, "", "truncated", "an element ends early", "(7FE0,0010)") for number in (4, 5, 7)),
        Quarantined(9, "", "gate-name", "a value of the source stands in the result", "(0010,0010)"),
    ]
    made.left_out = [LeftAside(number, "drop", "the profile leaves these out") for number in (6, 8)]
    made.duplicates = 1
    made.actions.update({"K": 30, "X": 7, "X/Z/D": 2})
    made.pixels.add(
        Findings(3, 2, (FrameFinding((1, 2), (Box(0, 0, 5, 5), Box(1, 1, 2, 2, 0.9, "code"))),), ("room 3",))
    )
    for description in (EVIL.encode(), b"Thorax", b"Thorax"):
        made.kept.add(result(description=description, sop=b"1.2.3"))
    return made


@pytest.mark.parametrize("with_values", [False, True])
def test_it_is_one_page_that_loads_and_runs_nothing(with_values: bool) -> None:
    text = render(report(), MADE, key_given=True, with_values=with_values)
    page = Page(text)
    assert page.links == []
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert "url(" not in text
    assert "@import" not in text
    assert "script&gt;" in text


def test_the_numbers_add_up_and_every_reason_stands_there() -> None:
    page = Page(render(report(), MADE, key_given=True))
    said = page.text
    assert "10 files given = 3 de-identified + 4 in quarantine + 2 left out + 1 copies" in said
    assert "Every file is accounted for" in said
    assert "truncated an element ends early (7FE0,0010) 3 4–5, 7" in said
    assert "gate-name a value of the source stands in the result (0010,0010) 1 9" in said
    assert "drop the profile leaves these out 2 6, 8" in said
    assert "CT Image Storage 3" in said
    assert "2026-01-31 12:00 UTC" in said
    assert "2 patients became one" in said


def test_a_report_that_does_not_add_up_says_so() -> None:
    broken = report()
    broken.duplicates = 0
    assert "do not use this result" in render(broken, MADE, key_given=True)


def test_actions_and_pixels_are_counted_in_words() -> None:
    said = Page(render(report(), MADE, key_given=True)).text
    assert re.search(r"X removed remove Attribute.* 7 ", said)
    assert re.search(r"X/Z/D removed, emptied or replaced .* 2 ", said)
    assert "Images in which text was looked for 1" in said
    assert "Frames of these 3" in said
    assert "Areas hidden: text 2" in said
    assert "Areas hidden: bar and QR codes 2" in said
    assert "Images under the device mask room 3 1" in said


def test_values_only_when_they_are_asked_for() -> None:
    without, shown = (Page(render(report(), MADE, key_given=True, with_values=values)).text for values in (False, True))
    assert "Thorax" not in without
    assert f"{EVIL} · Thorax × 2" in shown
    for said in (without, shown):
        assert re.search(r"SeriesDescription \(0008,103E\) LO .* 3 2 ", said)
        assert re.search(r"SOPInstanceUID \(0008,0018\) UI U .* 3 not counted", said)


@pytest.mark.parametrize(("given", "said"), [(True, "from a file"), (False, "random key")])
def test_the_key_is_spoken_of_and_not_there(given: bool, said: str) -> None:
    assert said in render(report(), MADE, key_given=given)


def test_nothing_written_is_a_page_too() -> None:
    page = Page(render(Report(BASIC, "P", 0), MADE, key_given=False))
    assert "Nothing was written." in page.text
    assert "Nothing is in quarantine." in page.text


def test_every_option_has_words() -> None:
    """All but the one that is refused."""
    assert set(OPTIONS) == set(Option) - {Option.VISUAL_FEATURES}
    assert all(name and words for name, words in OPTIONS.values())


def test_what_a_project_wants_differently_is_told() -> None:
    profile = Profile(
        name="own",
        attributes=(
            Override(tag=0x00100040, action=Keep()),
            Override(tag=0x0008103E, action=Replace(value="{event}"), nested=False),
            Override(tag=0x00200010, action=Hash(of=0x0020000D)),
            Override(tag=0x00081030, action=Groups(pattern=r"(MR|CT)")),
        ),
        private=(PrivateElement(creator="SIEMENS", group=0x0019, element=0x0C),),
        drop=(Selector(modality="SR"),),
        only=(Selector(sop_class="1.2.840.10008.5.1.4.1.1.2", attribute=0x00080070, matches="^S"),),
        pixels=Pixels(
            exempt=(Selector(series_description="localizer"),),
            masks=(
                DeviceMask(name="room 3", where={"Manufacturer": "S.*"}, masks=(Mask(x=0, y=0, width=1, height=1),)),
            ),
        ),
    )
    told = {words for _, words in facts(profile)}
    assert {
        "PatientSex (0010,0040): kept, at every depth",
        "SeriesDescription (0008,103E): replaced ({event}), at the top level only",
        "StudyID (0020,0010): replaced by a keyed hash (of StudyInstanceUID (0020,000D)), at every depth",
        "StudyDescription (0008,1030): reduced to what an expression captures ((MR|CT)), at every depth",
        "SIEMENS, group 0019, element xx0C",
        "modality “SR”",
        "SOP class “CT Image Storage” and Manufacturer (0008,0070) “^S”",
        "series description fits “localizer”",
        "room 3",
    } <= told


def test_a_selector_without_conditions_is_everything() -> None:
    assert selected(Selector()) == "everything"


def test_limits_depend_on_what_was_read() -> None:
    said = {name: " ".join(limits(profile)) for name, profile in BUILT_IN.items()}
    assert "No pixel was looked at" in said["basic"]
    assert "Only images of the kinds named above" in said["fiona"]


@pytest.mark.parametrize(("numbers", "said"), [((), ""), ((3,), "3"), ((1, 2, 3), "1–3"), ((1, 3, 4, 9), "1, 3–4, 9")])
def test_ranges(numbers: tuple[int, ...], said: str) -> None:
    assert ranges(numbers) == said
