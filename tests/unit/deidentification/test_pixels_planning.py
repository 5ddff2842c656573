"""Which images are suspect, and what a profile makes of them."""

from collections.abc import Mapping

import pytest
from pydicom.datadict import tag_for_keyword

from deidentification.errors import CannotDeidentify
from deidentification.pixels import WANTED, Plan, planned, wanted
from deidentification.profiles.model import DeviceMask, Mask, Pixels, Selector

CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
H264 = "1.2.840.10008.1.2.4.102"
READ, ALL, NONE = Pixels(images="suspect"), Pixels(images="all"), Pixels()
MASK = DeviceMask(
    name="bar", where={"Manufacturer": "Maker.*", "SoftwareVersions": "V[12]"},
    masks=(Mask(x=0, y=0, width=9, height=9),),
)  # fmt: skip


def header(sop_class: str = CT, **attributes: str) -> dict[int, bytes]:
    content: Mapping[str, str] = {"SOPClassUID": sop_class, **attributes}
    tags = {tag_for_keyword(keyword): value.encode("latin-1") for keyword, value in content.items()}
    return {tag: value for tag, value in tags.items() if tag is not None}


SUSPECTS = [
    header(SECONDARY_CAPTURE),
    header(f"{SECONDARY_CAPTURE}.4"),
    header("1.2.840.10008.5.1.4.1.1.3.1"),
    header("1.2.840.10008.5.1.4.1.1.6.1"),
    header("1.2.840.10008.5.1.4.1.1.6.2"),
    header("1.2.840.10008.5.1.4.1.1.77.1.1"),
    header(Modality="US"),
    header(ConversionType="WSD"),
    header(ImageType="DERIVED\\SECONDARY\\SCREEN SAVE"),
    header(ImageType="ORIGINAL\\SECONDARY\\OTHER\\CT_SOM5 PROT"),
    header(ImageType="DERIVED\\SECONDARY\\DOSE_INFO"),
    header(ImageType="DERIVED\\PRIMARY\\CSA REPORT"),
    header(SeriesDescription="Dose Report"),
    header(SeriesDescription="Patient Protocol"),
    header(SeriesDescription="  protocol "),
    header(SeriesDescription="Screen Save"),
]
PLAIN = [
    header(),
    header(ImageType="ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", SeriesDescription="Liver protocol 3 mm"),
    header(BurnedInAnnotation="NO"),
    header(SeriesDescription="Thorax low dose"),
    header("1.2.840.10008.5.1.4.1.1.77.1.5.1"),
]


@pytest.mark.parametrize("captured", SUSPECTS)
def test_suspects_are_read_or_held(captured: dict[int, bytes]) -> None:
    assert planned(captured, READ) == Plan(read=True)
    with pytest.raises(CannotDeidentify) as refusal:
        planned(captured, NONE)
    assert refusal.value.rule == "text-in-pixels"
    assert planned(captured, NONE, frozenset(("text-in-pixels",))) is None
    assert planned(captured, Pixels(suspects_pass=True)) == Plan(exempt=True)


@pytest.mark.parametrize("captured", PLAIN)
def test_other_images_are_read_only_when_all_are(captured: dict[int, bytes]) -> None:
    assert planned(captured, READ) is None
    assert planned(captured, NONE) is None
    assert planned(captured, ALL) == Plan(read=True)


def test_no_is_never_believed_and_yes_is() -> None:
    assert planned(header(SECONDARY_CAPTURE, BurnedInAnnotation="NO"), READ) == Plan(read=True)
    assert planned(header(BurnedInAnnotation="yes "), READ) == Plan(read=True)
    with pytest.raises(CannotDeidentify) as refusal:
        planned(header(BurnedInAnnotation="YES"), NONE)
    assert refusal.value.rule == "burned-in"
    assert refusal.value.where == "(0028,0301)"


@pytest.mark.parametrize("profile", [READ, ALL, NONE, Pixels(suspects_pass=True)])
@pytest.mark.parametrize("keyword", ["RecognizableVisualFeatures", "SpecimenLabelInImage"])
def test_what_no_method_removes_is_held(profile: Pixels, keyword: str) -> None:
    captured = header(**{keyword: "YES"})
    with pytest.raises(CannotDeidentify) as refusal:
        planned(captured, profile)
    assert refusal.value.rule == "burned-in"
    assert planned(captured, NONE, frozenset(("burned-in",))) is None


def test_a_release_does_not_undo_cleaning() -> None:
    assert planned(SUSPECTS[0], READ, frozenset(("text-in-pixels",))) == Plan(read=True)
    assert planned(SUSPECTS[0], READ, frozenset(("pixel-text",))) == Plan(read=True, verified=False)


def test_projects_add_and_exempt() -> None:
    chest = Selector(series_description="chest")
    assert planned(header(SeriesDescription="CHEST AP"), Pixels(images="suspect", also=(chest,))) == Plan(read=True)
    exempt = Pixels(images="all", exempt=(chest,))
    assert planned(header(SeriesDescription="CHEST AP"), exempt) == Plan(exempt=True)
    assert planned(header(SeriesDescription="HAND"), exempt) == Plan(read=True)
    assert planned(header(SECONDARY_CAPTURE, SeriesDescription="chest"), Pixels(exempt=(chest,))) == Plan(exempt=True)
    assert planned(header(SeriesDescription="chest"), Pixels(exempt=(chest,))) is None


def test_video_is_held_until_somebody_looked() -> None:
    for profile in (READ, ALL, NONE):
        with pytest.raises(CannotDeidentify) as refusal:
            planned(header(), profile, frozenset(), H264)
        assert refusal.value.rule == "text-in-pixels"
        assert planned(header(), profile, frozenset(("text-in-pixels",)), H264) is None


def test_device_masks_by_header_values() -> None:
    pixels = Pixels(masks=(MASK,))
    device = header(Manufacturer="MAKER of scanners ", SoftwareVersions="v2")
    assert planned(device, pixels) == Plan(masks=(MASK,))
    assert planned(header(Manufacturer="Maker", SoftwareVersions="V3"), pixels) is None
    assert planned(header(Manufacturer="Maker"), pixels) is None
    reading = Pixels(images="all", masks=(MASK,))
    assert planned(device, reading) == Plan(read=True, masks=(MASK,))


def test_what_a_profile_asks_for_is_wanted() -> None:
    odd = DeviceMask(name="odd", where={"GantryID": ".*"}, masks=MASK.masks)
    selector = Selector(attribute=0x00081032, matches="x")
    asked = wanted(Pixels(images="suspect", masks=(odd,), exempt=(selector,)))
    assert asked - WANTED == {0x00181008, 0x00081032}
