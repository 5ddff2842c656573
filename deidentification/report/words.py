"""A profile in plain words, for whoever has to answer for what was done."""

from collections.abc import Iterator
from typing import Final

from pydicom.uid import UID

from deidentification.profiles import Profile, warnings
from deidentification.profiles.model import Override, PrivateElement, Selector
from deidentification.standard import tables
from deidentification.standard.dictionary import KEYWORDS
from deidentification.standard.tables import Option

Fact = tuple[str, str]

OPTIONS: Final[dict[str, Fact]] = {
    "retain-safe-private": ("Retain Safe Private", "private elements stay that the Standard lists as safe"),
    "retain-uids": ("Retain UIDs", "the identifiers of studies, series and instances stay as they were"),
    "retain-device-identity": ("Retain Device Identity", "what tells the device stays, serial numbers too"),
    "retain-institution-identity": ("Retain Institution Identity", "what tells the institution stays"),
    "retain-patient-characteristics": (
        "Retain Patient Characteristics", "age, sex, size, weight and the like stay; ages over 89 do not",
    ),
    "retain-full-dates": (
        "Retain Longitudinal Temporal Information with Full Dates", "dates and times stay as they were",
    ),
    "retain-modified-dates": (
        "Retain Longitudinal Temporal Information with Modified Dates",
        "dates are moved, times of day stay, so the intervals between them hold",
    ),
    "clean-descriptors": ("Clean Descriptors", "descriptions stay without the words that may identify"),
    "clean-structured-content": (
        "Clean Structured Content", "structured reports stay; their texts are cleaned item by item",
    ),
    "clean-graphics": ("Clean Graphics", "annotations stay where their shapes are, without their text"),
    "clean-pixel-data": ("Clean Pixel Data", "text that is burned into images is looked for and hidden"),
}  # fmt: skip
DATES: Final = {
    "participant": "dates move into the past by a number of days that is the participant's own and kept secret",
    "fixed": "dates move by the same {days} days for everybody, which is not a secret",
}
IMAGES: Final = {
    "none": "no image is read",
    "suspect": "secondary captures, ultrasound, screen saves and images that declare burned-in text are read",
    "all": "every image is read",
}
DOCUMENTS: Final = {
    "drop": "left out", "dummy": "replaced by an empty document", "hold": "kept in quarantine",
}  # fmt: skip
CONDITIONS: Final = {
    "modality": "modality", "sop_class": "SOP class", "series_description": "series description fits",
    "image_comments": "image comments fit", "image_type": "image type has",
}  # fmt: skip
ACTIONS: Final = {
    "keep": "kept", "remove": "removed", "empty": "emptied", "clean": "cleaned", "replace": "replaced",
    "hash": "replaced by a keyed hash", "regex": "reduced to what an expression captures",
}  # fmt: skip


def facts(profile: Profile) -> list[Fact]:
    """What the profile does, as pairs of a heading and a sentence."""
    base = f"Basic Application Level Confidentiality Profile, DICOM PS3.15 edition {tables.edition()}, Annex E"
    return [("Base", base), *_options(profile), *_general(profile), *_own(profile)]


def _options(profile: Profile) -> list[Fact]:
    found = (OPTIONS.get(option, (option, "")) for option in sorted(profile.options))
    return [(f"Option {name}", words) for name, words in found]


def _general(profile: Profile) -> Iterator[Fact]:
    if Option.UIDS not in profile.options:
        how = "a keyed hash under 2.25" if profile.uids == "keyed" else "the scheme of the project's earlier gateway"
        yield "UIDs", f"replaced by {how}, the same wherever one stands"
    if Option.MODIFIED_DATES in profile.options:
        yield "Dates", DATES[profile.dates.shift].format(days=profile.dates.days)
    pixels = profile.pixels
    yield (
        "Pixels",
        IMAGES[pixels.images]
        + ("; suspect images pass unread, for which the project answers" if pixels.suspects_pass else ""),
    )
    yield from (("Also read", selected(each)) for each in pixels.also)
    yield from (("Never read", selected(each)) for each in pixels.exempt)
    yield from (("Device mask", mask.name) for mask in pixels.masks)
    held = profile.documents
    models = f"STL, OBJ and MTL {DOCUMENTS[held.model]}"
    yield "Documents", f"PDF {DOCUMENTS[held.pdf]}; CDA {DOCUMENTS[held.cda]}; {models}"


def _own(profile: Profile) -> Iterator[Fact]:
    yield from (("Own rule", _override(each)) for each in profile.attributes)
    yield from (("Private kept", _private(each)) for each in profile.private)
    yield from (("Left out", selected(each)) for each in profile.drop)
    yield from (("Only taken", selected(each)) for each in profile.only)
    yield from (("Note", each) for each in warnings(profile))


def named(tag: int) -> str:
    """'PatientSize (0010,1020)'."""
    return f"{KEYWORDS.get(tag, '')} ({tag >> 16:04X},{tag & 0xFFFF:04X})".strip()


def _override(override: Override) -> str:
    action = override.action
    value = getattr(action, "value", None) or getattr(action, "pattern", None)
    if (other := getattr(action, "of", None)) is not None:
        value = f"of {named(other)}"
    depth = "at every depth" if override.nested else "at the top level only"
    return f"{named(override.tag)}: {ACTIONS[action.action]}{f' ({value})' if value else ''}, {depth}"


def _private(element: PrivateElement) -> str:
    number = "all elements" if element.element is None else f"element xx{element.element:02X}"
    return f"{element.creator}, group {element.group:04X}, {number}"


def selected(selector: Selector) -> str:
    """The conditions of a selector, all of which have to hold."""
    given = selector.model_dump(exclude_none=True)
    if "sop_class" in given:
        given["sop_class"] = UID(given["sop_class"]).name
    if (tag := given.pop("attribute", None)) is not None:
        given[named(tag)] = given.pop("matches", "")
    return " and ".join(f"{CONDITIONS.get(name, name)} “{value}”" for name, value in given.items()) or "everything"
