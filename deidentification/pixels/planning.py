"""What happens to an object's pixels, decided from its header: copied, read, masked, or held."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom.datadict import tag_for_keyword

from deidentification import selectors
from deidentification.errors import CannotDeidentify
from deidentification.pixels import image, suspects
from deidentification.profiles import model

# What device rules mostly ask for, captured for every profile.
DEVICE: Final = frozenset(
    (
        *(0x00080070, 0x00081090, 0x00081010, 0x00080080, 0x00181000, 0x00181018, 0x00181016, 0x00181020),
        *(0x00081030, 0x00181030, 0x00080068, 0x00181001),
    )
)
WANTED: Final = selectors.WANTED | suspects.WANTED | image.DESCRIBING | image.SHOWING | DEVICE
NOT_CLEANED: Final = {
    "burned-in": "the image says that identity stands in its pixels, and pixels are not cleaned",
    "text-in-pixels": "images of this kind carry text, and pixels are not cleaned",
}


@dataclass(frozen=True)
class Plan:
    """Frames are `read`, rectangles of `masks` filled; `exempt`: a suspect passes unread as the project says."""

    read: bool = False
    masks: tuple[model.DeviceMask, ...] = ()
    exempt: bool = False
    verified: bool = True


def wanted(pixels: model.Pixels) -> frozenset[int]:
    """WANTED and what this profile's own selectors and device masks ask for."""
    keywords = (keyword for mask in pixels.masks for keyword in mask.where)
    tags = (tag_for_keyword(keyword) for keyword in keywords)
    return WANTED.union(selectors.wanted((*pixels.also, *pixels.exempt)), (tag for tag in tags if tag is not None))


def planned(
    captured: Mapping[int, bytes],
    profile_pixels: model.Pixels,
    released: frozenset[str] = frozenset(),
    transfer_syntax: str = "",
) -> Plan | None:
    """The plan for an object with these values; None: its pixels are copied untouched, and nobody asked otherwise.

    `transfer_syntax` tells video, of which nothing is decoded. Raises CannotDeidentify `burned-in` or
    `text-in-pixels` for suspects that nothing cleans or lets pass.
    """
    unsolved = suspects.refused(captured)
    if unsolved is not None and "burned-in" not in released:
        raise CannotDeidentify("burned-in", "the image shows what no method here removes", ((unsolved, None),))
    suspect = suspects.why(captured, transfer_syntax)
    masks = tuple(mask for mask in profile_pixels.masks if fits(mask, captured))
    video = suspects.VIDEO.fullmatch(transfer_syntax) is not None
    if video and suspect and suspect[0] in released:
        return None
    cleans = profile_pixels.images != "none" and not video
    asked = profile_pixels.images == "all" or (
        profile_pixels.images != "none" and any(selectors.matches(each, captured) for each in profile_pixels.also)
    )
    exempt = any(selectors.matches(each, captured) for each in profile_pixels.exempt)
    if exempt or not (suspect or asked):
        passes = exempt and bool(suspect or asked)
        return Plan(masks=masks, exempt=passes) if masks or passes else None
    if cleans:
        return Plan(read=True, masks=masks, verified="pixel-text" not in released)
    rule, tag = suspect or ("text-in-pixels", selectors.SOP_CLASS)
    if profile_pixels.suspects_pass:
        return Plan(masks=masks, exempt=True)
    if rule not in released:
        raise CannotDeidentify(rule, NOT_CLEANED[rule], ((tag, None),))
    return Plan(masks=masks) if masks else None


def fits(mask: model.DeviceMask, captured: Mapping[int, bytes]) -> bool:
    """Whether the header has every value that the mask's device has; the size of the image is not looked at yet."""
    for keyword, pattern in mask.where.items():
        tag = tag_for_keyword(keyword)
        if tag is None or not _compiled(pattern).fullmatch(selectors.text(captured, tag)):
            return False
    return True


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
