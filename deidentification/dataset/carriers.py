"""What is inserted: the new identity in the attributes a research PACS reads, and how it was made."""

from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

from deidentification.dataset.encoding import Encoding, element, item
from deidentification.errors import CannotDeidentify
from deidentification.gate.identity import CHARACTER_SET
from deidentification.profiles.codes import dates_modified, profile_codes, profile_method
from deidentification.profiles.model import Profile
from deidentification.subject import EVENT_PREFIX, Subject

UTF_8: Final = b"ISO_IR 192"
CARRIERS: Final[dict[int, tuple[bytes, str]]] = {
    0x00080080: (b"LO", "{project}"),  # Institution Name: the research PACS grants access by it
    0x00080090: (b"PN", EVENT_PREFIX + "{event}"),  # Referring Physician's Name
    0x00100010: (b"PN", "{participant}"),  # Patient's Name
    0x00100020: (b"LO", "{participant}"),  # Patient ID
    0x00120010: (b"LO", "{project}"),  # Clinical Trial Sponsor Name: Type 1 beside the next ones
    0x00120020: (b"LO", "{project}"),  # Clinical Trial Protocol ID
    0x00120021: (b"LO", "{project}"),  # Clinical Trial Protocol Name
    0x00120040: (b"LO", "{participant}"),  # Clinical Trial Subject ID
    0x00120050: (b"LO", "{event}"),  # Clinical Trial Time Point ID
    0x00120051: (b"ST", "{event}"),  # Clinical Trial Time Point Description
    0x00401002: (b"LO", EVENT_PREFIX + "{event}"),  # Reason for the Requested Procedure
    0x00402001: (b"LO", EVENT_PREFIX + "{event}"),  # Reason for the Imaging Service Request
}
# Type 2 beside the carriers (Clinical Trial Subject, General Equipment): empty unless the object has them.
COMPANIONS: Final = (0x00080070, 0x00120030, 0x00120031)
PATIENT_IDENTITY_REMOVED, METHOD, METHOD_CODES = 0x00120062, 0x00120063, 0x00120064
DATES_MODIFIED: Final = 0x00280303


def filled(template: str, subject: Subject) -> str:
    """The template with this subject's project, participant and event."""
    return template.format(project=subject.project, participant=subject.participant, event=subject.event)


@lru_cache(maxsize=64)
def carriers(subject: Subject, character_set: bytes | None) -> tuple[dict[int, bytes], bytes | None]:
    """Tag -> value in the file's character set, and that set where one must be declared.

    What is kept stays in the file's own character set, so the inserted text must fit it: ASCII fits every one; a
    file that declares none gets UTF-8; otherwise the codec of the one declared set decides, or the object stays.
    """
    texts = {tag: filled(template, subject) for tag, (_, template) in CARRIERS.items()}
    if all(text.isascii() for text in texts.values()):
        return {tag: text.encode() for tag, text in texts.items()}, None
    declared = (character_set or b"").strip(b"\0 ")
    return {tag: encoded(text, declared or UTF_8) for tag, text in texts.items()}, None if declared else UTF_8


def encoded(text: str, character_set: bytes) -> bytes:
    """The text in one character set; an object whose set cannot hold it stays."""
    if text.isascii():
        return text.encode()
    try:
        return text.encode(python_encoding[character_set.strip(b"\0 ").decode("ascii", "replace")])
    except (KeyError, UnicodeEncodeError):
        raise CannotDeidentify(
            "character-set", "the new identity cannot be written in the file's character set", ((CHARACTER_SET, None),)
        ) from None


@lru_cache(maxsize=64)
def inserted(subject: Subject, declared: bytes | None, profile: Profile, to: Encoding) -> dict[int, bytes]:
    """Every inserted element, encoded: identity carriers, method, codes of CID 7050, what happened to dates."""
    values, character_set = carriers(subject, declared)
    codes = b"".join(
        item(
            element(0x00080100, b"SH", code.encode(), to)
            + element(0x00080102, b"SH", b"DCM", to)
            + element(0x00080104, b"LO", meaning.encode(), to),
            to,
        )
        for code, meaning in profile_codes(profile)
    )
    written = {tag: element(tag, CARRIERS[tag][0], value, to) for tag, value in values.items()}
    written |= {
        PATIENT_IDENTITY_REMOVED: element(PATIENT_IDENTITY_REMOVED, b"CS", b"YES", to),
        METHOD: element(METHOD, b"LO", "\\".join(profile_method(profile)).encode(), to),
        METHOD_CODES: element(METHOD_CODES, b"SQ", codes, to),
        DATES_MODIFIED: element(DATES_MODIFIED, b"CS", dates_modified(profile).encode(), to),
    }
    if character_set is not None:
        written[CHARACTER_SET] = element(CHARACTER_SET, b"CS", character_set, to)
    return written


@lru_cache(maxsize=4)
def companions(to: Encoding) -> dict[int, bytes]:
    """Empty elements for what the inserted modules demand, where the object lacks it."""
    return {tag: element(tag, b"LO", b"", to) for tag in COMPANIONS}
