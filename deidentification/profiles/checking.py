"""Whether a profile can be applied: what its parts say together, and what each override and expression may."""

from collections import Counter
from collections.abc import Iterator

from deidentification.dataset.encoding import LONG_VRS, SHORT_VRS
from deidentification.profiles import overrides, patterns
from deidentification.profiles.model import Clean, DeviceMask, Override, PrivateElement, Profile, Selector
from deidentification.profiles.problems import Problem, ProfileError
from deidentification.standard.dictionary import DICTIONARY, KEYWORDS, TAGS
from deidentification.standard.tables import Option


def written_tag(tag: int) -> str:
    """The keyword, or (gggg,eeee) where there is none."""
    return KEYWORDS.get(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def problems(profile: Profile) -> tuple[Problem, ...]:
    """Everything that keeps a profile from being applied."""
    return (*_options(profile), *_attributes(profile), *_private(profile), *_selectors(profile), *_masks(profile))


def checked(profile: Profile) -> None:
    """Raise ProfileError unless the profile can be applied."""
    found = problems(profile)
    if found:
        raise ProfileError(found)


def _options(profile: Profile) -> Iterator[Problem]:
    options = profile.options
    if Option.VISUAL_FEATURES in options:
        yield Problem(
            "options",
            f"{Option.VISUAL_FEATURES} has no method here: faces and other features in the pixels are not removed, "
            "and a profile must not say that they are",
        )
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= options:
        yield Problem("options", f"{Option.FULL_DATES} and {Option.MODIFIED_DATES} exclude each other (E.3.6)")
    if (Option.PIXELS in options) != (profile.pixels.images != "none"):
        yield Problem("options", f"{Option.PIXELS} and `pixels: images: suspect` or `all` belong together")
    if profile.dates.shift == "fixed" and Option.MODIFIED_DATES not in options:
        yield Problem("dates", f"a fixed shift needs the option {Option.MODIFIED_DATES}")
    if profile.uids == "original" and Option.UIDS in options:
        yield Problem("uids", f"UIDs are kept by {Option.UIDS}, or replaced in the original's way, not both")


def _attributes(profile: Profile) -> Iterator[Problem]:
    times = Counter(override.tag for override in profile.attributes)
    for tag in (tag for tag, count in times.items() if count > 1):
        yield Problem(f"attributes.{written_tag(tag)}", "given more than once")
    for override in profile.attributes:
        what = overrides.problem(override) or _moves_alone(override, profile)
        if what:
            yield Problem(f"attributes.{written_tag(override.tag)}", what)


def _moves_alone(override: Override, profile: Profile) -> str | None:
    """Why a single date may not move: the others stay or go, and (0028,0303) would be wrong."""
    moves = isinstance(override.action, Clean) and DICTIONARY[override.tag][0] in (b"DA", b"DT")
    if moves and Option.MODIFIED_DATES not in profile.options:
        return f"a date is cleaned by moving it, which takes the option {Option.MODIFIED_DATES}"
    return None


def _private(profile: Profile) -> Iterator[Problem]:
    for index, entry in enumerate(profile.private):
        what = _private_problem(entry)
        if what:
            yield Problem(f"private[{index}]", what)


def _private_problem(entry: PrivateElement) -> str | None:
    if not entry.group & 1 or not 0x0009 <= entry.group <= 0xFFFF or entry.group == 0xFFFF:
        return "group must be an odd number from 0009 to FFFD"
    if not entry.creator.strip() or not entry.creator.isprintable() or "\\" in entry.creator:
        return "creator must be printable text without a backslash"
    if entry.creator != entry.creator.strip():
        return "creator must not begin or end with a space"
    if entry.vr is not None and entry.vr.encode() not in LONG_VRS | SHORT_VRS:
        return f"{entry.vr} is not a VR"
    return None


def _selectors(profile: Profile) -> Iterator[Problem]:
    places = {
        "drop": profile.drop,
        "only": profile.only,
        "pixels.also": profile.pixels.also,
        "pixels.exempt": profile.pixels.exempt,
    }
    for place, selectors in places.items():
        for index, selector in enumerate(selectors):
            yield from (Problem(f"{place}[{index}]", what) for what in _selector(selector))


def _selector(selector: Selector) -> Iterator[str]:
    if not selector.model_dump(exclude_none=True):
        yield "a selector needs at least one condition"
    if (selector.attribute is None) != (selector.matches is None):
        yield "`attribute` and `matches` belong together"
    if selector.sop_class is not None and not all(part.isdigit() for part in selector.sop_class.rstrip(".").split(".")):
        yield "sop_class must be a UID, or the beginning of one that ends with a dot"
    for pattern in (selector.series_description, selector.image_comments, selector.matches):
        what = None if pattern is None else patterns.problem(pattern)
        if what:
            yield what


def _masks(profile: Profile) -> Iterator[Problem]:
    for index, mask in enumerate(profile.pixels.masks):
        yield from (Problem(f"pixels.masks[{index}]", what) for what in _mask(mask))


def _mask(mask: DeviceMask) -> Iterator[str]:
    if not mask.where or not mask.masks:
        yield "a mask needs header values (`where`) and rectangles (`masks`)"
    for keyword, pattern in mask.where.items():
        what = patterns.problem(pattern) if keyword in TAGS else f"{keyword} is not a keyword"
        if what:
            yield f"where.{keyword}: {what}"
