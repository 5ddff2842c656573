"""How a result says what was done to it: De-identification Method, its codes, and what happened to dates."""

from typing import Final

from deidentification.profiles.model import Profile
from deidentification.standard import tables
from deidentification.standard.tables import Option

# CID 7050: the codes of the profile and of its options.
BASIC_CODE: Final = ("113100", "Basic Application Confidentiality Profile")
OPTION_CODES: Final[dict[Option, tuple[str, str]]] = {
    Option.PIXELS: ("113101", "Clean Pixel Data Option"),
    Option.VISUAL_FEATURES: ("113102", "Clean Recognizable Visual Features Option"),
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}


def profile_codes(profile: Profile) -> tuple[tuple[str, str], ...]:
    """The codes of CID 7050 that say what was done, in their order."""
    # Private elements that the project has reviewed are kept under the same option (E.3.10: "some other means").
    options = profile.options | ({Option.SAFE_PRIVATE} if profile.private else set())
    return (BASIC_CODE, *sorted(OPTION_CODES[option] for option in options))


def profile_method(profile: Profile) -> tuple[str, ...]:
    """Values of De-identification Method (0012,0063), each within the 64 characters of LO."""
    return (f"FIONA {profile.name} {profile.version}", f"PS3.15 {tables.edition()} Basic Profile")


def dates_modified(profile: Profile) -> str:
    """Longitudinal Temporal Information Modified (0028,0303): UNMODIFIED, MODIFIED or REMOVED."""
    if Option.FULL_DATES in profile.options:
        return "UNMODIFIED"
    return "MODIFIED" if Option.MODIFIED_DATES in profile.options else "REMOVED"
