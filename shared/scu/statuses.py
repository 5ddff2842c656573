"""What a destination's answer to one instance means: the statuses of PS3.4 §B.2.3 and PS3.7 Annex C."""

from enum import StrEnum

SUCCESS = 0x0000
SOP_CLASS_NOT_SUPPORTED = 0x0122
PROCESSING_FAILURE = 0x0110
CANNOT_UNDERSTAND = 0xC000
OTHER_BYTES = 0xC0F1
"""Ours: a folder holds another file under this name."""
NO_ANSWER = 0xFFFF
"""Ours: the connection broke between the instance and its answer."""


class Verdict(StrEnum):
    """The three fates of an instance."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


_SINGLE = {
    SUCCESS: Verdict.TAKEN,
    0x0001: Verdict.TAKEN,  # warning: requested optional attributes are not supported
    0x0107: Verdict.TAKEN,  # warning: attribute list error
    0x0111: Verdict.TAKEN,  # duplicate SOP instance: it is there already
    0x0116: Verdict.TAKEN,  # warning: attribute value out of range
    PROCESSING_FAILURE: Verdict.LATER,
    0x0213: Verdict.LATER,  # resource limitation
    NO_ANSWER: Verdict.LATER,
}
_BY_HIGH_BYTE = {0xA7: Verdict.LATER} | dict.fromkeys(range(0xB0, 0xC0), Verdict.TAKEN)

_WORDS = {
    SOP_CLASS_NOT_SUPPORTED: "SOP class or transfer syntax not supported",
    PROCESSING_FAILURE: "processing failure",
    0x0117: "invalid object instance",
    0x0124: "not authorized",
    OTHER_BYTES: "another file is there under this name",
    NO_ANSWER: "no answer",
}
_WORDS_BY_HIGH_BYTE = {
    0xA7: "out of resources",
    0xA9: "data set does not match SOP class",
} | dict.fromkeys(range(0xC0, 0xD0), "cannot understand")


def verdict(status: int) -> Verdict:
    """Taken (success, warnings), later (the peer's resources), or refused for good (all else)."""
    return _SINGLE.get(status) or _BY_HIGH_BYTE.get(status >> 8, Verdict.REFUSED)


def describe(status: int) -> str:
    """The status for people: `0xA900 data set does not match SOP class`."""
    words = _WORDS.get(status) or _WORDS_BY_HIGH_BYTE.get(status >> 8, "")
    return f"0x{status:04X} {words}".rstrip()
