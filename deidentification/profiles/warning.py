"""What a data manager should know of a profile that can be applied: clashes, how they are resolved, and the risks."""

from collections.abc import Iterator
from typing import Final

from deidentification.profiles.checking import written_tag
from deidentification.profiles.compiled import compiled, rows
from deidentification.profiles.model import Keep, Profile, Replace
from deidentification.profiles.overrides import LONGEST
from deidentification.profiles.protected import CARRIERS_OF_INSTITUTION
from deidentification.standard.dictionary import DICTIONARY
from deidentification.standard.tables import Option

GOES: Final = ("X", "Z", "D", "U")


def warnings(profile: Profile) -> list[str]:
    """Sentences for whoever answers for the project; none: nothing is out of the ordinary."""
    compiled(profile)
    return [*_options(profile), *_policies(profile), *_attributes(profile)]


def _options(profile: Profile) -> Iterator[str]:
    options = profile.options
    if {Option.DEVICE, Option.MODIFIED_DATES} <= options:
        clash = sum({Option.DEVICE, Option.MODIFIED_DATES} <= row.options.keys() for row in rows().values())
        yield (
            f"Retain Device Identity keeps and Modified Dates moves {clash} calibration and installation dates: they "
            "are moved, as a date that stays beside dates that move would tell the shift."
        )
    if Option.INSTITUTION in options:
        names = " and ".join(written_tag(tag) for tag in CARRIERS_OF_INSTITUTION)
        yield (
            f"Retain Institution Identity keeps the institution inside items and in other attributes, but {names} at "
            "the top level say the project, as the research PACS grants access by them."
        )
    if Option.UIDS in options:
        yield (
            "Retain UIDs keeps UIDs that hold dates, serial numbers or patient ids in many archives, and "
            "one study in two projects gets the same UIDs."
        )
    if Option.FULL_DATES in options:
        yield "Full Dates keeps real dates: with a rare examination they can single out a person."
    if not options & {Option.FULL_DATES, Option.MODIFIED_DATES}:
        yield "Dates and times are removed or replaced by dummies: intervals are lost, and SUV cannot be computed."
    if Option.PATIENT_CHARACTERISTICS in options:
        yield "Ages over 89 are written as 090Y, though the Standard's column says keep."
    if Option.SAFE_PRIVATE in options:
        yield "Safe private elements are those of PS3.15 E.3.10-1 by creator; vendors do not guarantee them."
    if Option.STRUCTURED_CONTENT not in options:
        yield "Reports keep numbers, codes and geometry, but every text in them becomes a dummy."


def _policies(profile: Profile) -> Iterator[str]:
    pixels = profile.pixels
    if pixels.images == "none" and not pixels.suspects_pass:
        yield "Ultrasound, secondary captures and screen saves are held in quarantine, as no pixel is cleaned."
    if pixels.suspects_pass:
        yield "Images that may show a name pass without anyone looking (suspects_pass): the project answers for it."
    if pixels.exempt:
        yield "Images that fit `exempt` are never read for text: the project answers for it."
    if profile.uids == "original":
        yield (
            "UIDs follow the original's scheme, which has no key: whoever knows an old UID and the project's "
            "name can compute the new one."
        )
    if profile.dates.shift == "fixed":
        yield f"Every date moves by {profile.dates.days} days for everybody: whoever knows the number can undo it."
    for entry in profile.private:
        number = "xxxx" if entry.element is None else f"xx{entry.element:02X}"
        yield f"Private elements of {entry.creator!r}, ({entry.group:04X},{number}), are kept unseen."
    if profile.drop or profile.only:
        yield "Some instances are left out by selectors: they are counted, and neither sent nor quarantined."


def _attributes(profile: Profile) -> Iterator[str]:
    for override in profile.attributes:
        row, action = rows().get(override.tag), override.action
        if isinstance(action, Keep) and row is not None and row.basic.startswith(GOES):
            yield f"{written_tag(override.tag)} is kept as it is, though PS3.15 says {row.basic}."
        elif isinstance(action, Keep) and row is None:
            yield f"{written_tag(override.tag)} is kept as it is."
        if isinstance(action, Replace) and "{" in action.value:
            longest = LONGEST[DICTIONARY[override.tag][0]]
            if longest < 64:
                yield f"{written_tag(override.tag)} holds {longest} characters: a longer name does not fit."
